#include "mtlspop/base/encoding.hpp"

#include <algorithm>

namespace mtlspop::encoding {
namespace {

constexpr std::string_view StandardAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view UrlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// RFC 7468 section 3.
bool IsWhitespace(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string Encode(gsl::span<std::uint8_t const> data, std::string_view alphabet, bool padded) {
  std::string text;
  text.reserve((data.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < data.size(); i += 3) {
    std::size_t const count = std::min<std::size_t>(3, data.size() - i);
    std::uint32_t group = static_cast<std::uint32_t>(data[i]) << 16;
    if (count > 1) group |= static_cast<std::uint32_t>(data[i + 1]) << 8;
    if (count > 2) group |= data[i + 2];
    text += alphabet[(group >> 18) & 63];
    text += alphabet[(group >> 12) & 63];
    if (count > 1) text += alphabet[(group >> 6) & 63];
    if (count > 2) text += alphabet[group & 63];
  }
  while (padded && text.size() % 4 != 0) text += '=';
  return text;
}

std::optional<std::vector<std::uint8_t>> Decode(std::string_view text, std::string_view alphabet, bool lenient) {
  if (lenient) {
    while (!text.empty() && IsWhitespace(text.back())) text.remove_suffix(1);
    for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  }
  std::vector<std::uint8_t> data;
  data.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t group = 0;
  int bits = 0;
  for (char const c : text) {
    if (lenient && IsWhitespace(c)) continue;
    auto const value = alphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    group = (group << 6) | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      data.push_back(static_cast<std::uint8_t>((group >> bits) & 0xFF));
    }
  }
  // A single left-over character holds six bits of nothing.
  if (bits >= 6) return std::nullopt;
  return data;
}

}  // namespace

std::string ToBase64(gsl::span<std::uint8_t const> data) { return Encode(data, StandardAlphabet, true); }

std::optional<std::vector<std::uint8_t>> FromBase64(std::string_view text) {
  return Decode(text, StandardAlphabet, true);
}

std::string ToBase64Url(gsl::span<std::uint8_t const> data) { return Encode(data, UrlAlphabet, false); }

std::optional<std::vector<std::uint8_t>> FromBase64Url(std::string_view text) {
  return Decode(text, UrlAlphabet, false);
}

std::optional<std::vector<std::uint8_t>> FromAnyBase64(std::string_view text) {
  bool const isUrl = text.find_first_of("-_") != std::string_view::npos;
  return Decode(text, isUrl ? UrlAlphabet : StandardAlphabet, true);
}

std::string ToHex(gsl::span<std::uint8_t const> data) {
  std::string text;
  text.reserve(2 * data.size());
  for (auto const byte : data) {
    text += HexDigits[byte >> 4U];
    text += HexDigits[byte & 15U];
  }
  return text;
}

std::size_t Utf8LetterLength(std::string_view text) noexcept {
  auto const byte = [text](std::size_t index) { return static_cast<unsigned char>(text[index]); };
  auto const first = byte(0);
  if (first < 0x80) {
    return 1;
  }
  std::size_t const length = first >= 0xC2 && first <= 0xDF   ? 2
                             : first >> 4U == 0xE             ? 3
                             : first >= 0xF0 && first <= 0xF4 ? 4
                                                              : 0;
  if (length == 0 || text.size() < length) {
    return 0;
  }
  // No longer form than needed, no halves of UTF-16 pairs, nothing beyond Unicode.
  auto const lowest = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  auto const highest = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < lowest || byte(1) > highest) {
    return 0;
  }
  for (std::size_t index = 2; index < length; ++index) {
    if ((byte(index) & 0xC0U) != 0x80) {
      return 0;
    }
  }
  return length;
}

}  // namespace mtlspop::encoding
