#pragma once

/// @file
/// The least that a program does for one request over a new connection with a client certificate.

#include <cstdint>
#include <memory>
#include <string>

#include <openssl/ssl.h>

namespace mtlspop::bench {

/// As `openssl s_client -cert`: connects to 127.0.0.1, shakes hands in full, asks, reads the answer. One context for all.
class BareHandshake final {
 public:
  BareHandshake(EVP_PKEY* key, X509* certificate, std::string const& caFile, std::uint16_t port);
  /// @throw std::runtime_error
  void Run() const;

 private:
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::uint16_t port_;
};

}  // namespace mtlspop::bench
