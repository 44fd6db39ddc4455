#pragma once

/// @file
/// HAProxy with a required client certificate.

#include <string>
#include <string_view>

#include "support/server_process.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {

/// A running HAProxy on https://localhost:port, TLS 1.2 and 1.3, `verify required`.
///
/// - `/facts`: SHA-1 of the client's certificate in upper-case hexadecimal digits, TLS version, "1" for a resumed
/// session,
///   separated by '|'.
/// - `/status/NNN`: an answer with this status.
/// - anything else goes to `backend`, a plain HTTP server.
class HaproxyServer final {
 public:
  HaproxyServer(
      IssuedCertificate const& certificate, std::string const& clientAuthorityPath, std::uint16_t backendPort);

  std::string Url(std::string_view target) const;

 private:
  TemporaryDirectory directory_;
  std::uint16_t port_;
  ServerProcess process_;
};

}  // namespace mtlspop::test
