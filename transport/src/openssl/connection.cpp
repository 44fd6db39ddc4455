#include "openssl/connection.hpp"

#include <array>
#include <utility>

#include <gsl/util>

namespace mtlspop::openssl {

Connection::Connection(std::string host) : host_(std::move(host)), top_(&plain_) {}

Connection::~Connection() = default;

void Connection::AddTls(std::shared_ptr<TlsContext> context, TlsChannel::Options options) {
  host_ = options.Host;
  outerTls_ = std::move(tls_);
  auto const over = outerTls_ ? TlsChannel::Over::Tls : TlsChannel::Over::Socket;
  tls_ = std::make_unique<TlsChannel>(std::move(context), *top_, over, std::move(options));
  top_ = tls_.get();
  handshake_ = TryHandshake();
}

void Connection::Attach(Descriptor socket) noexcept {
  socket_ = std::move(socket);
  plain_.Attach(socket_.Get());
}

void Connection::ShakeHands(Waiter& waiter) {
  if (handshake_ != IoStatus::Done) {
    top_->TryFlush();
  }
  while (handshake_ != IoStatus::Done) {
    Wait(handshake_, waiter);
    handshake_ = TryHandshake();
  }
  info_.TlsVersion = tls_->Version();
  info_.Resumed = tls_->IsResumed();
}

IoStatus Connection::TryHandshake() {
  auto const status = tls_->TryHandshake();
  if (status == IoStatus::Done || Waits(status)) {
    return status;
  }
  auto details = Describe(status, "the TLS handshake");
  details.NothingSent = true;
  throw Error{std::move(details)};
}

IoResult Connection::Read(gsl::span<std::uint8_t> buffer, Waiter& waiter) {
  auto const onlyHere = gsl::finally([this] { plain_.SetMayBlock(false); });
  for (;;) {
    // With TLS in TLS what one layer owes the other side may wait for what the other one reads.
    plain_.SetMayBlock(waiter.MayBlock() && outerTls_ == nullptr && !top_->HasUnsentBytes());
    auto const result = top_->TryRead(buffer);
    if (!Waits(result.Status)) {
      return result;
    }
    Wait(result.Status, waiter);
  }
}

void Connection::Wait(IoStatus status, Waiter& waiter, Context::TimePoint until) {
  auto const events = (status == IoStatus::WantWrite ? POLLOUT : POLLIN) | (top_->HasUnsentBytes() ? POLLOUT : 0);
  pollfd socket{socket_.Get(), static_cast<short>(events), 0};
  waiter.Wait(gsl::span<pollfd>{&socket, 1}, until);
  if ((socket.revents & POLLOUT) != 0 && top_->HasUnsentBytes()) {
    top_->TryFlush();
  }
}

bool Connection::WaitOrInput(IoStatus status, Waiter& waiter) {
  auto const events = POLLIN | (status == IoStatus::WantWrite || top_->HasUnsentBytes() ? POLLOUT : 0);
  return (waiter.Wait(socket_.Get(), static_cast<short>(events)) & (POLLIN | POLLHUP | POLLERR)) != 0;
}

void Connection::Flush(Waiter& waiter) {
  while (top_->HasUnsentBytes()) {
    auto const status = top_->TryFlush();
    if (Waits(status)) {
      Wait(status, waiter);
    } else if (status != IoStatus::Done) {
      throw Error{Describe(status, "sending")};
    }
  }
}

ErrorDetails Connection::Describe(IoStatus status, std::string const& doing) const {
  if (status == IoStatus::Failed) {
    return top_->Failure();
  }
  ErrorDetails details{
      errors::ConnectionLost, "The connection to " + host_ + " was lost during " + doing,
      "Try again; where it happens each time, look at the server's log and at what stands between"};
  details.Transient = true;
  return details;
}

bool Connection::IsUsable() {
  if (!input_.Empty()) {
    return false;
  }
  auto const state = LookAtIdle(socket_);
  // Not only the socket can hold something: what came in the same record as the end of an answer waits inside OpenSSL, and
  // would be taken for the next answer.
  if (state == IdleState::Dead || (state == IdleState::Quiet && !HasBufferedInput())) {
    return state == IdleState::Quiet;
  }
  // Data that nobody asked for makes the connection unusable; handshake messages do not.
  std::array<std::uint8_t, 1> byte{};
  return tls_ != nullptr && top_->TryRead(byte).Status == IoStatus::WantRead;
}

void Connection::BeginRequest() noexcept {
  if (tls_) {
    tls_->BeginRequest();
  }
  if (outerTls_) {
    outerTls_->BeginRequest();
  }
}

void Connection::FreeBuffers() noexcept {
  input_.Shrink();
  if (tls_) {
    tls_->FreeBuffers();
  }
  if (outerTls_) {
    outerTls_->FreeBuffers();
  }
}

void Connection::Close() noexcept {
  if (!disowned_) {
    top_->Close();
  }
}

}  // namespace mtlspop::openssl
