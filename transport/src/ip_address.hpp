#pragma once

/// @file
/// IP addresses written in a URL or in a list of hosts.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <gsl/span>

namespace mtlspop {

/// The bytes of an address in network order, 4 for "192.0.2.1" (RFC 3986 section 3.2.2: four decimal numbers), 16 for
/// "2001:db8::1" (RFC 4291 section 2.2; brackets around it are passed over). None for anything else.
std::optional<std::vector<std::uint8_t>> ParseIpAddress(std::string_view text);

/// The platform's inet_pton, for a version 4 address where `bytes` has room for 4, for a version 6 address where it has
/// room for 16. Returns whether `text` is one.
bool ReadIpAddress(char const* text, gsl::span<std::uint8_t> bytes) noexcept;

}  // namespace mtlspop
