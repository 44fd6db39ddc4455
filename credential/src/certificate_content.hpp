#pragma once

/// @file
/// The forms in which people and services hand over a certificate with its key.

#include <string>

#include "mtlspop/transport/secret.hpp"

namespace mtlspop {

/// PEM or DER as it is; the DER of a PKCS#12 file that came as base64, as Key Vault gives the secret of a certificate
/// (RFC 4648 section 4). `name` is for messages.
/// @throw Error `client_certificate_unusable` for a text in UTF-16 and a Java key store, with the way out
Secret ReadCertificateContent(Secret const& content, std::string const& name);

}  // namespace mtlspop
