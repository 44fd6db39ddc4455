#pragma once

/// @file
/// What a header field can hold.

#include <string_view>

namespace mtlspop {

/// Whether `text` can be a field's value: no control characters but the tab (RFC 9110 section 5.5). It goes on to the end in any
/// case, and in bytes, so that the compiler can look at many characters at once: a token has thousands.
inline bool IsFieldText(std::string_view text) noexcept {
  unsigned char found = 0;
  for (char const character : text) {
    auto const byte = static_cast<unsigned char>(character);
    found = static_cast<unsigned char>(found | ((byte < 0x20) & (byte != '\t')) | (byte == 0x7f));
  }
  return found == 0;
}

}  // namespace mtlspop
