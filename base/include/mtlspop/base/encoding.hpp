#pragma once

/// @file
/// Base64, base64url and hexadecimal.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gsl/span>

namespace mtlspop::encoding {

/// Base64 with padding, on one line (RFC 4648 section 4).
std::string ToBase64(gsl::span<std::uint8_t const> data);

/// Base64 with or without padding; whitespace is passed over (RFC 7468 section 3). None for anything else.
std::optional<std::vector<std::uint8_t>> FromBase64(std::string_view text);

/// Base64url without padding (RFC 4648 section 5, RFC 7515 section 2).
std::string ToBase64Url(gsl::span<std::uint8_t const> data);

/// Base64url without padding. None for anything else.
std::optional<std::vector<std::uint8_t>> FromBase64Url(std::string_view text);

/// Base64 or base64url, with or without padding, for what is sent in either. None for anything else.
std::optional<std::vector<std::uint8_t>> FromAnyBase64(std::string_view text);

/// The digits of base 16 (RFC 4648 section 8).
inline constexpr std::string_view HexDigits = "0123456789ABCDEF";

/// Base 16, two upper case digits for each byte.
std::string ToHex(gsl::span<std::uint8_t const> data);

/// The bytes of a text, where they lie.
inline gsl::span<std::uint8_t const> AsBytes(std::string_view text) noexcept {
  return {reinterpret_cast<std::uint8_t const*>(text.data()), text.size()};
}

/// The length of the letter at the beginning of `text`, which is not empty; 0 where that is no UTF-8 (RFC 3629 section 4).
std::size_t Utf8LetterLength(std::string_view text) noexcept;

/// U+FFFD, for what is no letter.
inline constexpr std::string_view ReplacementLetter = "\xEF\xBF\xBD";

}  // namespace mtlspop::encoding
