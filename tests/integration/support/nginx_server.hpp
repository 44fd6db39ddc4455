#pragma once

/// @file
/// nginx, which asks for the client's certificate in the first handshake.

#include <string>
#include <string_view>

#include "support/server_process.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {

/// A running nginx on https://localhost:port, TLS 1.2 and 1.3, `ssl_verify_client on`.
///
/// - `/facts`: subject of the client, TLS version, "r" for a resumed session or ".", number of the connection, number
/// of the
///   request on it, separated by '|'.
/// - `/files/NAME`: PUT stores, GET gives back.
/// - `/chunked/NAME`: a stored file as chunks.
class NginxServer final {
 public:
  NginxServer(IssuedCertificate const& certificate, std::string const& clientAuthorityPath);

  std::string Url(std::string_view target) const;
  /// What was stored under `/files/`.
  std::string StoredFile(std::string_view name) const;

 private:
  TemporaryDirectory directory_;
  std::uint16_t port_;
  ServerProcess process_;
};

}  // namespace mtlspop::test
