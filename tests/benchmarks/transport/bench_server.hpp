#pragma once

/// @file
/// nginx from Debian, one worker, set up for the benchmarks.

#include <cstdint>
#include <string>

#include "support/server_process.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_certificate_authority.hpp"
#include "transport/peer.hpp"

namespace mtlspop::bench {

/// A running nginx with RSA-2048 certificates, which is what the services have.
///
/// - `/small`: 90 bytes. `/large`: 1 GiB. PUT below `/up/`: stored.
class BenchServer final {
 public:
  BenchServer();

  /// Requires a client certificate, keeps connections, resumes sessions.
  Scenario KeepAlive(bool tls13) const;
  /// Requires a client certificate, closes after each answer.
  Scenario NewConnections(bool tls13, bool resume) const;
  /// The certificate of all of these, for a server beside it.
  test::IssuedCertificate const& ServersOwn() const noexcept { return server_; }
  /// The twin of `KeepAlive` that asks for no certificate.
  Scenario WithoutCertificate() const;

 private:
  std::string Configuration();
  Scenario Make(std::uint16_t port) const;

  test::TemporaryDirectory directory_;
  test::TestCertificateAuthority authority_;
  test::IssuedCertificate server_;
  test::IssuedCertificate client_;
  std::uint16_t keepAlivePort_;
  std::uint16_t resumedPort_;
  std::uint16_t fullPort_;
  std::uint16_t plainPort_;
  test::ServerProcess process_;
};

}  // namespace mtlspop::bench
