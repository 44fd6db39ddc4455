#include "openssl/dial.hpp"

#include <algorithm>
#include <cerrno>
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

/// The race of RFC 8305.
class Race final {
 public:
  Race(std::vector<Address> const& addresses, std::string const& name, Waiter& waiter)
      : addresses_(addresses), name_(name), waiter_(waiter) {}

  Descriptor Run() {
    for (;;) {
      auto const nextStart = StartDue();
      if (running_.empty()) {
        ThrowFailed();
      }
      waiter_.Wait(running_, nextStart);
      Descriptor winner = Collect();
      if (winner.IsOpen()) {
        return winner;
      }
    }
  }

 private:
  /// Starts what is due and returns when the next one will be.
  Context::TimePoint StartDue() {
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

  /// Takes out what has ended; returns the first that succeeded.
  Descriptor Collect() {
    for (std::size_t index = 0; index < running_.size();) {
      if (running_[index].revents == 0) {
        ++index;
        continue;
      }
      int const failure = ConnectResult(sockets_[index]);
      if (failure == 0) {
        return std::move(sockets_[index]);
      }
      lastFailure_ = failure;
      nextStart_ = Context::Clock::now();
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
      sockets_.erase(sockets_.begin() + static_cast<std::ptrdiff_t>(index));
    }
    return {};
  }

  [[noreturn]] void ThrowFailed() const {
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

  std::vector<Address> const& addresses_;
  std::string const& name_;
  Waiter& waiter_;
  std::size_t next_ = 0;
  Context::TimePoint nextStart_{};
  int lastFailure_ = EHOSTUNREACH;
  std::vector<pollfd> running_;
  std::vector<Descriptor> sockets_;
};

}  // namespace

Descriptor Dial(std::vector<Address> const& addresses, std::string const& name, Waiter& waiter) {
  waiter.Describe("Connecting");
  return Race{addresses, name, waiter}.Run();
}

}  // namespace mtlspop::openssl
