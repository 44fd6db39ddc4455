#pragma once

/// @file
/// Keys of devices where they are for: in TLS.

#include <memory>
#include <string>

#include <openssl/evp.h>

namespace mtlspop::test {

/// Shows a server a certificate for `key`, in the handshake of TLS 1.3 or after it.
/// @return the version that was spoken, where the server saw that certificate
std::string SpeakTls13With(std::shared_ptr<EVP_PKEY> const& key, bool inHandshake);

}  // namespace mtlspop::test
