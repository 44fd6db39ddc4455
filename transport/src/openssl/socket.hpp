#pragma once

/// @file
/// A TCP socket. While it connects it never blocks; afterwards each call says for itself whether it may block.

#include <sys/socket.h>

#include "mtlspop/base/posix/descriptor.hpp"
#include "openssl/channel.hpp"

namespace mtlspop::openssl {

/// Starts a connection without waiting. The result is closed where the system refused at once.
Descriptor StartConnect(sockaddr const* address, socklen_t length);

/// How a connection attempt ended, 0 for success, otherwise an errno value. After a success the socket is a blocking
/// one.
int ConnectResult(Descriptor const& socket) noexcept;

/// What a look at an idle connection shows, without a round trip and without taking anything off it.
enum class IdleState { Quiet, HasInput, Dead };
IdleState LookAtIdle(Descriptor const& socket) noexcept;

class SocketChannel final : public Channel {
 public:
  /// Borrows the descriptor of a blocking socket. Before that nothing comes in and nothing can go out.
  void Attach(int descriptor) noexcept { descriptor_ = descriptor; }

  /// Lets `TryRead` block in the system call, for ever if need be, which spares a call to poll(). For operations
  /// of which `Waiter::MayBlock` says so. Off again when a write finds no room: then the socket has to be watched in
  /// both directions.
  void SetMayBlock(bool mayBlock) noexcept { mayBlock_ = mayBlock; }

  IoResult TryRead(gsl::span<std::uint8_t> buffer) override;
  IoResult TryWrite(gsl::span<std::uint8_t const> bytes) override;
  IoStatus TryFlush() override { return IoStatus::Done; }
  bool HasUnsentBytes() const noexcept override { return false; }
  void Close() noexcept override {}
  ErrorDetails Failure() const override;

 private:
  int descriptor_ = -1;
  bool mayBlock_ = false;
};

}  // namespace mtlspop::openssl
