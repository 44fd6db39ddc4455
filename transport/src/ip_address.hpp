#pragma once

/// @file
/// IP addresses written in a URL or in a list of hosts.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace mtlspop {

/// The bytes of an address in network order, 4 for "192.0.2.1" (RFC 3986 section 3.2.2: four decimal numbers), 16 for
/// "2001:db8::1" (RFC 4291 section 2.2; brackets around it are passed over). None for anything else.
std::optional<std::vector<std::uint8_t>> ParseIpAddress(std::string_view text);

}  // namespace mtlspop
