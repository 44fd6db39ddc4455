#pragma once

/// @file
/// Which TLS this library speaks, whatever the process's OpenSSL configuration says.

#include <openssl/ssl.h>

#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::openssl {

/// Holds `context`, which is new, to the profile of RFC 9325: authenticated ephemeral elliptic-curve key exchange, AEAD
/// ciphers, signatures over SHA-256 or better, keys of 112 bits of security or more, safe renegotiation, no compression.
///
/// What the process's configuration (`OPENSSL_CONF`) allows is narrowed to that and never widened: a stricter
/// configuration stays as strict as it is, one that leaves nothing of the profile makes every handshake fail.
void ApplyTlsProfile(SSL_CTX* context, TlsVersion minimum) noexcept;

/// Lowers the highest version of `ssl` to `maximum`; never raises it above what the configuration allows.
void LimitTlsVersion(SSL* ssl, TlsVersion maximum) noexcept;

}  // namespace mtlspop::openssl
