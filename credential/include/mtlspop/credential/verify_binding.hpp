#pragma once

/// @file
/// Whether a token is bound to a certificate (RFC 8705 section 3.1).

#include <string>
#include <string_view>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/binding_certificate.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop {

/// Checks that the `cnf` claim's `x5t#S256` of `token` is the `x5t#S256` of `certificate`. The token's signature is not
/// checked: that is the resource's part.
/// @throw Error `token_malformed` where the token is not a JWT of three parts with a JSON payload;
/// `token_binding_mismatch` where `cnf` is missing or names another certificate
MTLSPOP_EXPORT void VerifyBinding(Secret const& token, BindingCertificate const& certificate);

}  // namespace mtlspop
