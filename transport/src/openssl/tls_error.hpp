#pragma once

/// @file
/// OpenSSL's error queue in words for people on call.

#include <string>

#include <openssl/ssl.h>

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/response.hpp"

namespace mtlspop::openssl {

/// What is known of a connection whose TLS failed.
struct TlsFailureContext {
  std::string const& Host;
  /// It presents a binding certificate.
  bool IsBound;
  /// The server asked for one.
  bool WasAsked;
  /// It goes no higher than TLS 1.2.
  bool IsLimitedToTls12;
  /// The server's certificate, where it was refused; may be null.
  ServerCertificate const* RefusedServer;
};

/// What a failed TLS operation says about itself. Empties the error queue.
ErrorDetails DescribeTlsFailure(SSL const* ssl, TlsFailureContext const& context);

}  // namespace mtlspop::openssl
