#include "encoding.hpp"

#include <algorithm>
#include <array>

#include "crypto.hpp"

namespace mtlspop::encoding {
namespace {

constexpr std::string_view StandardAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view UrlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

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
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
    for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  }
  std::vector<std::uint8_t> data;
  data.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t group = 0;
  int bits = 0;
  for (char const c : text) {
    if (lenient && (c == '\n' || c == '\r')) continue;
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

std::string NewUuid() {
  std::array<std::uint8_t, 16> bytes{};
  crypto::FillRandom(bytes);
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3F) | 0x80);
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 15];
  }
  return text;
}

}  // namespace mtlspop::encoding
