#pragma once

/// @file
/// Base64, base64url and random ids.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gsl/span>

namespace mtlspop::encoding {

/// Base64 with padding, on one line (RFC 4648 section 4).
std::string ToBase64(gsl::span<std::uint8_t const> data);

/// Base64 with or without padding; line breaks are passed over. None for anything else.
std::optional<std::vector<std::uint8_t>> FromBase64(std::string_view text);

/// Base64url without padding (RFC 4648 section 5, RFC 7515 section 2).
std::string ToBase64Url(gsl::span<std::uint8_t const> data);

/// Base64url without padding. None for anything else.
std::optional<std::vector<std::uint8_t>> FromBase64Url(std::string_view text);

/// A random UUID, version 4 (RFC 9562 section 5.4).
std::string NewUuid();

/// The bytes of a text, where they lie.
inline gsl::span<std::uint8_t const> AsBytes(std::string_view text) noexcept {
  return {reinterpret_cast<std::uint8_t const*>(text.data()), text.size()};
}

}  // namespace mtlspop::encoding
