#pragma once

/// @file
/// What certificates may be used for.

#include <openssl/x509v3.h>

namespace mtlspop::openssl {

/// Whether `certificate` is one of an authority that another one vouches for: neither a server nor a client may
/// authenticate with it. One that signed itself is a different matter: tools mark such certificates as authorities
/// whatever they are for, and nobody believes them but who was given this very one.
inline bool IsAuthorityOfOthers(X509* certificate) noexcept {
  auto const flags = X509_get_extension_flags(certificate);
  return (flags & EXFLAG_CA) != 0 && (flags & EXFLAG_SS) == 0;
}

}  // namespace mtlspop::openssl
