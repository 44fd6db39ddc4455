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
  handshakeAwaited_ = false;
  TryHandshake();
}

void Connection::Attach(Descriptor socket) noexcept {
  registration_ = nullptr;
  socket_ = std::move(socket);
  plain_.Attach(socket_.Get());
}

Step Connection::ShakeHands() {
  constexpr char const* what = "The TLS handshake";
  if (handshake_ != IoStatus::Done && !handshakeAwaited_) {
    // The first message was made before there was a socket to send it by.
    top_->TryFlush();
  } else if (handshake_ != IoStatus::Done) {
    TryHandshake();
  }
  if (handshake_ != IoStatus::Done) {
    handshakeAwaited_ = true;
    return Await(handshake_, what);
  }
  info_.TlsVersion = tls_->Version();
  info_.Resumed = tls_->IsResumed();
  return {};
}

void Connection::TryHandshake() {
  handshake_ = tls_->TryHandshake();
  if (handshake_ == IoStatus::Done || Waits(handshake_)) {
    return;
  }
  auto details = Describe(handshake_, "the TLS handshake");
  details.NothingSent = true;
  throw Error{std::move(details)};
}

IoResult Connection::Read(gsl::span<std::uint8_t> buffer, bool mayBlock) {
  // A reactor would be woken for what somebody else reads.
  if (mayBlock) {
    registration_ = nullptr;
  }
  auto const onlyHere = gsl::finally([this] { plain_.SetMayBlock(false); });
  // With TLS in TLS what one layer owes the other side may wait for what the other one reads.
  plain_.SetMayBlock(mayBlock && outerTls_ == nullptr && !top_->HasUnsentBytes());
  return top_->TryRead(buffer);
}

Step Connection::Await(IoStatus status, char const* what, Context::TimePoint until) {
  if (status == IoStatus::WantKey) {
    return {Awaits::Key, {}, until, what};
  }
  auto const events = (status == IoStatus::WantWrite ? POLLOUT : POLLIN) | (top_->HasUnsentBytes() ? POLLOUT : 0);
  watched_ = pollfd{socket_.Get(), static_cast<short>(events), 0};
  return {Awaits::Sockets, {&watched_, 1}, until, what, &registration_};
}

Step Connection::AwaitOrInput(IoStatus status, char const* what) {
  auto step = Await(status, what);
  watched_.events = static_cast<short>(watched_.events | POLLIN);
  return step;
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
  if (tls_ == nullptr) {
    return false;
  }
  auto const status = top_->TryRead(byte).Status;
  return status == IoStatus::WantRead || status == IoStatus::WantKey;
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
