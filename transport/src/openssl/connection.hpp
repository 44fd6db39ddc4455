#pragma once

/// @file
/// One connection, made for one (origin, proxy, `x5t#S256`) and never used for another.

#include <memory>
#include <string>

#include "mtlspop/transport/response.hpp"
#include "openssl/input_buffer.hpp"
#include "openssl/socket.hpp"
#include "openssl/socket_registration.hpp"
#include "openssl/step.hpp"
#include "openssl/tls_channel.hpp"

namespace mtlspop::openssl {

/// Thread safety: one thread at a time; the pool hands it over.
class Connection final {
 public:
  /// Not connected yet.
  /// @param host for texts, until there is TLS
  explicit Connection(std::string host);
  ~Connection();

  /// Puts TLS over what is there and begins the handshake. Done before the socket is attached, the first message is
  /// ready by the time the server is.
  /// @throw Error
  void AddTls(std::shared_ptr<TlsContext> context, TlsChannel::Options options);
  /// Takes the connected socket; until then nothing comes in and nothing goes out.
  void Attach(Descriptor socket) noexcept;
  /// Completes the handshake of the TLS that was added last. Its last message may go out with the first request only.
  /// @throw Error
  Step ShakeHands();

  IoResult TryRead(gsl::span<std::uint8_t> buffer) { return top_->TryRead(buffer); }
  IoResult TryWrite(gsl::span<std::uint8_t const> bytes) { return top_->TryWrite(bytes); }
  /// Reads, and where `mayBlock` waits in the system call: for callers whom nothing but the other side can call back.
  IoResult Read(gsl::span<std::uint8_t> buffer, bool mayBlock);
  /// Pushes out all that is left unsent. `Done` when nothing is.
  IoStatus TryFlush() { return top_->HasUnsentBytes() ? top_->TryFlush() : IoStatus::Done; }

  /// A step that waits for what `status` says is wanted, and for room to write where bytes are left unsent.
  Step Await(IoStatus status, char const* what, Context::TimePoint until = Context::TimePoint::max());
  /// The same, or for input in any case; `HasInput` then says whether it was that.
  Step AwaitOrInput(IoStatus status, char const* what);
  bool HasInput() const noexcept { return (watched_.revents & (POLLIN | POLLHUP | POLLERR)) != 0; }
  /// As if a wait had shown input.
  void NoteInput() noexcept { watched_.revents = POLLIN; }
  /// Whether the other side has said something, or has gone, as far as that is seen without waiting.
  bool HasSpoken() const noexcept { return HasBufferedInput() || LookAtIdle(socket_) != IdleState::Quiet; }

  /// What stands for a failed `IoStatus`, as an error.
  /// @param doing what was being done, for the text
  ErrorDetails Describe(IoStatus status, std::string const& doing) const;

  /// Looks, without a round trip, whether an idle connection can take another request. Handshake messages that came in
  /// meanwhile (session tickets, a request to renegotiate) are dealt with.
  bool IsUsable();
  void BeginRequest() noexcept;
  /// Whether input can be had without waiting for the socket.
  bool HasBufferedInput() const noexcept {
    return (tls_ != nullptr && tls_->HasBufferedInput()) || (outerTls_ != nullptr && outerTls_->HasBufferedInput());
  }
  /// Gives memory back before a long rest.
  void FreeBuffers() noexcept;
  /// Ends the connection in the regular way, as far as that goes without waiting.
  void Close() noexcept;
  /// For a connection that belongs to another process: its descriptor is closed without a word to the other side.
  void Disown() noexcept {
    disowned_ = true;
    Attach(Descriptor{});
  }

  bool IsDisowned() const noexcept { return disowned_; }

  bool HasTls() const noexcept { return tls_ != nullptr; }
  InputBuffer& Input() noexcept { return input_; }
  ConnectionInfo& Info() noexcept {
    if (tls_) tls_->Describe(info_);
    return info_;
  }
  std::string const& Host() const noexcept { return host_; }
  Descriptor const& Socket() const noexcept { return socket_; }

 private:
  void TryHandshake();

  Descriptor socket_;
  std::unique_ptr<SocketRegistration> registration_;
  std::string host_;
  SocketChannel plain_;
  std::unique_ptr<TlsChannel> outerTls_;
  std::unique_ptr<TlsChannel> tls_;
  Channel* top_;
  IoStatus handshake_ = IoStatus::Done;
  bool handshakeAwaited_ = false;
  pollfd watched_{-1, 0, 0};
  InputBuffer input_;
  ConnectionInfo info_;
  bool disowned_ = false;
};

}  // namespace mtlspop::openssl
