#pragma once

/// @file
/// Squid as a proxy, with and without Basic authentication, over plain TCP and over TLS.

#include <string>
#include <string_view>

#include "support/server_process.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {

/// Whether a Squid wants to know who asks.
enum class SquidAuthentication { None, Basic };

/// A running Squid that forwards to any loopback port.
class SquidProxy final {
 public:
  static constexpr char const* UserName = "somebody";
  static constexpr char const* Password = "pass:word with all/sorts+of=signs";

  SquidProxy(SquidAuthentication authentication, IssuedCertificate const& certificate);

  /// "http://localhost:port".
  std::string PlainUrl() const;
  /// "https://localhost:port", for TLS to the proxy.
  std::string TlsUrl() const;
  /// One line per request, once that has ended: status, method, target, user name.
  std::string AccessLog() const;

 private:
  TemporaryDirectory directory_;
  std::uint16_t plainPort_;
  std::uint16_t tlsPort_;
  ServerProcess process_;
};

}  // namespace mtlspop::test
