#pragma once

/// @file
/// A client that says exactly what a test has it say.

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "mtlspop/base/openssl/owners.hpp"
#include "mtlspop/base/posix/descriptor.hpp"

namespace mtlspop::test {

/// A connection to a loopback port or a unix socket, plain at first. Reading gives up after some seconds.
class RawClient final {
 public:
  explicit RawClient(std::uint16_t port);
  /// To a unix socket.
  explicit RawClient(std::string const& path);

  void Send(std::string_view bytes);
  /// What comes until the header's end is there, or the other side has closed.
  std::string ReadHead();
  /// What comes until the other side closes.
  std::string ReadAll();
  /// Whether the other side has closed, so that nothing more comes.
  bool IsClosed();
  /// From now on in TLS, as a client of `host` that trusts the certificates in `caFile` alone. False where the handshake fails.
  bool StartTls(std::string const& host, std::string const& caFile);
  /// Whether the other side has said in TLS that nothing more comes from it (close_notify), so that nobody has cut the answer.
  bool WasEndSaid() const noexcept;
  /// Says that nothing more comes from here.
  void EndSending();
  int Get() const noexcept { return socket_.Get(); }

 private:
  void ConnectTo(sockaddr const* address, socklen_t length);
  int Read(char* into, int size);

  Descriptor socket_;
  openssl::SslContextPtr context_;
  openssl::SslPtr tls_;
};

/// The port in a URL of a loopback address.
std::uint16_t PortOf(std::string const& url);

}  // namespace mtlspop::test
