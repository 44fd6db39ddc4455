#pragma once

/// @file
/// OpenSSL's error queue in words for people on call.

#include <string>

#include <openssl/ssl.h>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::openssl {

/// What a failed TLS operation says about itself. Empties the error queue.
/// @param bound whether the connection presents a binding certificate
/// @param asked whether the server asked for one
ErrorDetails DescribeTlsFailure(SSL const* ssl, std::string const& host, bool bound, bool asked);

}  // namespace mtlspop::openssl
