#pragma once

/// @file
/// The peer for keys in tokens: the pkcs11 engine of OpenSSL 1.1, which Debian has for OpenSSL 3 too.

#include <memory>
#include <string>

#include <openssl/evp.h>

namespace mtlspop::bench {

/// Null where the engine is not installed.
std::shared_ptr<EVP_PKEY> OpenWithEngine(std::string const& uri, std::string const& module, std::string const& pin);

}  // namespace mtlspop::bench
