#pragma once

/// @file
/// What a header field can hold, and how one is written.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace mtlspop {

/// Whether `text` can be a field's value: no control characters but the tab (RFC 9110 section 5.5). It goes on to the end in any
/// case, so that the compiler can look at many characters at once, and at eight of what is left: a token has thousands, and a
/// gateway looks at each field of each message.
inline bool IsFieldText(std::string_view text) noexcept {
  constexpr std::size_t many = 16;
  constexpr std::uint64_t ones = 0x0101010101010101U;
  constexpr auto isControl = [](char character) {
    auto const byte = static_cast<unsigned char>(character);
    return static_cast<unsigned char>(((byte < 0x20) & (byte != '\t')) | (byte == 0x7f));
  };
  // The highest bit of a byte is set where it is below `least`, and now and then in the one after it.
  constexpr auto below = [](std::uint64_t word, std::uint64_t least) {
    return (word - ones * least) & ~word & ones * 0x80;
  };
  unsigned char found = 0;
  auto const wholes = text.size() - text.size() % many;
  auto const* const from = text.data();
  for (std::size_t at = 0; at < wholes; ++at) found = static_cast<unsigned char>(found | isControl(from[at]));
  text.remove_prefix(wholes);
  if (text.size() >= sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), sizeof word);
    if ((below(word, 0x20) | below(word ^ ones * 0x7f, 1)) == 0) text.remove_prefix(sizeof word);
  }
  for (char const character : text) found = static_cast<unsigned char>(found | isControl(character));
  return found == 0;
}

/// Adds the line of a field to a message's header. Where `text` has room for it, nothing moves.
/// @param name no part of `text`, nor is `value`
inline void AppendField(std::string& text, std::string_view name, std::string_view value) {
  auto const begin = text.size();
  text.resize(begin + name.size() + value.size() + 4);
  auto* to = text.data() + begin;
  auto const put = [&to](std::string_view part) { to = std::copy(part.begin(), part.end(), to); };
  put(name);
  put(": ");
  put(value);
  put("\r\n");
}

}  // namespace mtlspop
