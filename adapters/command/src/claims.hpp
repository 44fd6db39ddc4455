#pragma once

/// @file
/// What a token says, for people. Nothing here checks a signature.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace mtlspop::command {

/// The payload of a JWS in compact form (RFC 7515 section 7.1). None where it has not three parts or its payload is no JSON
/// object.
std::optional<nlohmann::ordered_json> ReadClaims(std::string_view token);

/// The member's text, "" where it is missing or no text.
std::string TextOf(nlohmann::ordered_json const& claims, char const* name);
/// `cnf.x5t#S256` (RFC 8705 section 3.1), "" where it is missing.
std::string BoundTo(nlohmann::ordered_json const& claims);
/// `exp` (RFC 7519 section 4.1.4), none where it is missing.
std::optional<std::chrono::system_clock::time_point> ExpiryOf(nlohmann::ordered_json const& claims);

}  // namespace mtlspop::command
