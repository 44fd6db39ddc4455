#include "openssl/dial.hpp"

#include <system_error>
#include <utility>

#include "mtlspop/transport/error.hpp"
#include "openssl/exhaustion.hpp"

namespace mtlspop::openssl {
namespace {

/// RFC 8305 section 5, "Connection Attempt Delay".
constexpr std::chrono::milliseconds AttemptDelay{250};
/// More are not tried at the same time; each failure makes room.
constexpr std::size_t MaximumAttempts = 8;

}  // namespace

Step Race::Advance() {
  Collect();
  if (winner_.IsOpen()) {
    return {};
  }
  auto const nextStart = StartDue();
  if (running_.empty()) {
    ThrowFailed();
  }
  return {Awaits::Sockets, running_, nextStart, "Connecting"};
}

/// Starts what is due and returns when the next one will be.
Context::TimePoint Race::StartDue() {
  while (next_ < addresses_.size() && running_.size() < MaximumAttempts &&
         (running_.empty() || Context::Clock::now() >= nextStart_)) {
    auto const& address = addresses_[next_++];
    Descriptor socket = StartConnect(address.Get(), address.Length);
    nextStart_ = Context::Clock::now() + AttemptDelay;
    if (socket.IsOpen()) {
      running_.push_back(pollfd{socket.Get(), POLLOUT, 0});
      sockets_.push_back(std::move(socket));
    } else {
      lastFailure_ = errno;
    }
  }
  return next_ < addresses_.size() && running_.size() < MaximumAttempts ? nextStart_ : Context::TimePoint::max();
}

bool Race::HasEnded(Descriptor const& socket) noexcept {
  pollfd now{socket.Get(), POLLOUT, 0};
  return ::poll(&now, 1, 0) != 0;
}

/// Takes out what has ended, up to the first that succeeded.
void Race::Collect() {
  for (std::size_t index = 0; index < running_.size();) {
    // Looked at once more: what a reactor was told may have been of another socket, which had the place before.
    if (std::exchange(running_[index].revents, 0) == 0 || !HasEnded(sockets_[index])) {
      ++index;
      continue;
    }
    int const failure = ConnectResult(sockets_[index]);
    if (failure == 0) {
      winner_ = std::move(sockets_[index]);
      return;
    }
    lastFailure_ = failure;
    nextStart_ = Context::Clock::now();
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
    sockets_.erase(sockets_.begin() + static_cast<std::ptrdiff_t>(index));
  }
}

void Race::ThrowFailed() const {
  if (IsExhaustion(lastFailure_)) {
    ThrowExhausted("No connection to " + name_ + " could be begun", lastFailure_);
  }
  ErrorDetails details{
      errors::ConnectFailed,
      "No connection to " + name_ + " could be made: " + std::system_category().message(lastFailure_),
      "Check that the host is up, that the port is right, and that no firewall stands between"};
  details.NothingSent = true;
  details.Transient = true;
  throw Error{std::move(details)};
}

}  // namespace mtlspop::openssl
