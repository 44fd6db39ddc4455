#pragma once

/// @file
/// The few claims of a JWT that a client looks at. Nothing here checks a signature: that is for whom the token is meant
/// for.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace mtlspop {

/// What a client reads from a JWT.
struct JwtClaims {
  /// `cnf.x5t#S256` (RFC 8705 section 3.1), none where it is missing.
  std::optional<std::string> BoundX5tS256;
  /// `exp` (RFC 7519 section 4.1.4).
  std::optional<std::chrono::system_clock::time_point> ExpiresOn;
};

/// Reads the claims of a JWS in compact form (RFC 7515 section 7.1). None where it has not three non-empty parts, or
/// its payload is no JSON object.
std::optional<JwtClaims> ReadJwt(std::string_view token);

}  // namespace mtlspop
