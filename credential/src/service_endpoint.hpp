#pragma once

/// @file
/// Endpoints that a service names, and that others are sent to.

#include <optional>
#include <string>
#include <string_view>

namespace mtlspop {

/// "https://host" or "https://host:port" of an https URL, whatever its path is. None for anything else, and for a text
/// in which two readers could see two hosts: with user information, a backslash, a query, a fragment, a space.
std::optional<std::string> ToHttpsOrigin(std::string_view text);

/// The same with its path. None for the same texts, and for a path with dot segments (RFC 3986 section 3.3), written out
/// or %-encoded.
std::optional<std::string> ToHttpsEndpoint(std::string_view text);

}  // namespace mtlspop
