#include "ip_address.hpp"

#include <algorithm>

namespace mtlspop {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::optional<unsigned> ParseNumber(std::string_view text, unsigned base, std::size_t digits, unsigned maximum) {
  if (text.empty() || text.size() > digits) {
    return std::nullopt;
  }
  unsigned value = 0;
  for (char const character : text) {
    char const lower = static_cast<char>(character | 0x20);
    unsigned const digit = character >= '0' && character <= '9' ? static_cast<unsigned>(character - '0')
                           : lower >= 'a' && lower <= 'f'       ? static_cast<unsigned>(lower - 'a') + 10U
                                                                : 16U;
    if (digit >= base) {
      return std::nullopt;
    }
    value = value * base + digit;
  }
  return value <= maximum ? std::make_optional(value) : std::nullopt;
}

std::optional<Bytes> ParseVersion4(std::string_view text) {
  Bytes bytes;
  for (;;) {
    auto const dot = std::min(text.find('.'), text.size());
    auto const number = ParseNumber(text.substr(0, dot), 10, 3, 255);
    if (!number) {
      return std::nullopt;
    }
    bytes.push_back(static_cast<std::uint8_t>(*number));
    if (dot == text.size()) {
      return bytes.size() == 4 ? std::make_optional(bytes) : std::nullopt;
    }
    text.remove_prefix(dot + 1);
  }
}

/// Groups between colons; at the end of the address the last one may be a version 4 address. Nothing for an empty text.
std::optional<Bytes> ParseGroups(std::string_view text, bool isEnd) {
  Bytes bytes;
  while (!text.empty()) {
    auto const colon = std::min(text.find(':'), text.size());
    auto const group = text.substr(0, colon);
    if (auto const number = ParseNumber(group, 16, 4, 0xFFFF)) {
      bytes.push_back(static_cast<std::uint8_t>(*number >> 8U));
      bytes.push_back(static_cast<std::uint8_t>(*number & 0xFFU));
    } else if (auto const tail = ParseVersion4(group); isEnd && tail && colon == text.size()) {
      bytes.insert(bytes.end(), tail->begin(), tail->end());
    } else {
      return std::nullopt;
    }
    if (colon + 1 == text.size()) {
      return std::nullopt;
    }
    text.remove_prefix(std::min(colon + 1, text.size()));
  }
  return bytes;
}

std::optional<Bytes> ParseVersion6(std::string_view text) {
  auto const gap = text.find("::");
  auto bytes = ParseGroups(text.substr(0, gap), gap == std::string_view::npos);
  if (gap == std::string_view::npos) {
    return bytes && bytes->size() == 16 ? bytes : std::nullopt;
  }
  auto const tail = ParseGroups(text.substr(gap + 2), true);
  // The gap stands for at least one group.
  if (!bytes || !tail || bytes->size() + tail->size() > 14) {
    return std::nullopt;
  }
  bytes->resize(16 - tail->size());
  bytes->insert(bytes->end(), tail->begin(), tail->end());
  return bytes;
}

}  // namespace

std::optional<std::vector<std::uint8_t>> ParseIpAddress(std::string_view text) {
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
    return ParseVersion6(text.substr(1, text.size() - 2));
  }
  return text.find(':') == std::string_view::npos ? ParseVersion4(text) : ParseVersion6(text);
}

}  // namespace mtlspop
