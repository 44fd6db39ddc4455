#include "encoding.hpp"

#include <algorithm>
#include <cstdint>

namespace mtlspop_emulator {
namespace {

constexpr std::string_view StandardAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view UrlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string Encode(std::string_view bytes, std::string_view alphabet) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  std::uint32_t bits = 0;
  int count = 0;
  for (char const c : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) {
      text += alphabet[(bits >> (count - 6)) & 0x3F];
    }
  }
  if (count > 0) {
    text += alphabet[(bits << (6 - count)) & 0x3F];
  }
  return text;
}

std::optional<std::string> Decode(std::string_view text, std::string_view alphabet) {
  if (text.size() % 4 == 1) {
    return std::nullopt;
  }
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  int count = 0;
  for (char const c : text) {
    auto const value = alphabet.find(c);
    if (value == std::string_view::npos) {
      return std::nullopt;
    }
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>((bits >> count) & 0xFF);
    }
  }
  bool const strayBits = (bits & ((1U << count) - 1U)) != 0;
  if (strayBits) {
    return std::nullopt;
  }
  return bytes;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return c - 'A' + 10;
  }
  return -1;
}

std::string PercentDecode(std::string_view text, bool plusIsBlank) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plusIsBlank) {
      decoded += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 && HexDigit(text[i + 2]) >= 0) {
      decoded += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::string Base64Encode(std::string_view bytes) {
  std::string text = Encode(bytes, StandardAlphabet);
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

std::optional<std::string> Base64Decode(std::string_view text) {
  if (text.size() % 4 != 0) {
    return std::nullopt;
  }
  for (int padding = 0; padding < 2 && !text.empty() && text.back() == '='; ++padding) {
    text.remove_suffix(1);
  }
  return Decode(text, StandardAlphabet);
}

std::string Base64UrlEncode(std::string_view bytes) { return Encode(bytes, UrlAlphabet); }

std::optional<std::string> Base64UrlDecode(std::string_view text) { return Decode(text, UrlAlphabet); }

std::string HexEncode(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (char const c : bytes) {
    auto const byte = static_cast<unsigned char>(c);
    text += digits[byte >> 4];
    text += digits[byte & 0x0F];
  }
  return text;
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), Lower);
  return lower;
}

bool EqualsIgnoringCase(std::string_view left, std::string_view right) {
  return std::equal(
      left.begin(), left.end(), right.begin(), right.end(), [](char a, char b) { return Lower(a) == Lower(b); });
}

std::string DecodePath(std::string_view path) { return PercentDecode(path, false); }

Parameters ParseParameters(std::string_view text) {
  Parameters parameters;
  while (!text.empty()) {
    auto const end = std::min(text.find('&'), text.size());
    std::string_view const part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (part.empty()) {
      continue;
    }
    auto const equals = std::min(part.find('='), part.size());
    std::string_view const value = equals < part.size() ? part.substr(equals + 1) : std::string_view();
    parameters.emplace_back(PercentDecode(part.substr(0, equals), true), PercentDecode(value, true));
  }
  return parameters;
}

std::vector<std::string> ValuesOf(Parameters const& parameters, std::string_view name) {
  std::vector<std::string> values;
  for (auto const& [key, value] : parameters) {
    if (key == name) {
      values.push_back(value);
    }
  }
  return values;
}

std::optional<std::string> OnlyValueOf(Parameters const& parameters, std::string_view name) {
  auto const values = ValuesOf(parameters, name);
  if (values.size() != 1) {
    return std::nullopt;
  }
  return values.front();
}

}  // namespace mtlspop_emulator
