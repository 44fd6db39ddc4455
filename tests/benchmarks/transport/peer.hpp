#pragma once

/// @file
/// Clients that do the same thing in different ways.

#include <cstdint>
#include <memory>
#include <string>

namespace mtlspop::bench {

/// What all clients of a comparison do.
struct Scenario {
  /// On localhost.
  std::uint16_t Port = 0;
  std::string Path = "/small";
  bool Tls13 = false;
  /// A connection for each request; with `Resume` its TLS session is that of an earlier one.
  bool NewConnections = false;
  bool Resume = false;
  std::string CaFile;
  std::string CertificateFile;
  std::string PrivateKeyFile;
};

/// One client, for one thread at a time unless it says otherwise.
class Peer {
 public:
  virtual ~Peer() = default;
  /// One GET, its answer read to the end.
  /// @throw std::runtime_error where the answer is not 200
  virtual void Get() = 0;
};

/// `SSL_write` and `SSL_read` on a blocking socket: the limit.
std::unique_ptr<Peer> MakeBarePeer(Scenario const& scenario);
/// This library.
std::unique_ptr<Peer> MakeOwnPeer(Scenario const& scenario);
/// libcurl's easy interface.
std::unique_ptr<Peer> MakeCurlPeer(Scenario const& scenario);
/// cpprestsdk's http_client with the certificate set in its TLS callback; null where it was not built.
std::unique_ptr<Peer> MakeCpprestPeer(Scenario const& scenario);
/// Azure Core's CurlTransport, without a certificate, since it cannot present one; null where it was not built.
std::unique_ptr<Peer> MakeAzurePeer(Scenario const& scenario);

}  // namespace mtlspop::bench
