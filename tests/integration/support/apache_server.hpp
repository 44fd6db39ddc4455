#pragma once

/// @file
/// Apache httpd, which asks for the client's certificate only once it knows the path: as Key Vault does.

#include <string>
#include <string_view>

#include "support/server_process.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {

/// Which version of TLS, and so how the certificate is asked for.
enum class ApacheTls {
  /// By renegotiation.
  Tls12,
  /// By post-handshake authentication.
  Tls13,
};

/// A running httpd on https://localhost:port.
///
/// - `/open/`: says "open", whoever asks.
/// - `/bound/`: wants a certificate of `clientAuthority`, and says "bound".
/// - `/bound/echo`: wants one too, and answers a POST with its body.
/// - `/open/echo`: the same without.
///
/// Each answer has the client's subject in `X-Client-Subject`, "(null)" where there is none.
class ApacheServer final {
 public:
  ApacheServer(ApacheTls tls, IssuedCertificate const& certificate, std::string const& clientAuthorityPath);

  std::string Url(std::string_view target) const;
  /// The error log, for a test that has failed.
  std::string ErrorLog() const;

 private:
  TemporaryDirectory directory_;
  std::uint16_t port_;
  ServerProcess process_;
};

}  // namespace mtlspop::test
