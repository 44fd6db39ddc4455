#pragma once

/// @file
/// Writing a JSON string.

#include <string_view>

#include "mtlspop/base/encoding.hpp"

namespace mtlspop::json {

/// `text` in quotes, to whatever has `Add(char)` (RFC 8259 section 7).
template <typename Sink>
void AddString(Sink& sink, std::string_view text) {
  sink.Add('"');
  for (char const character : text) {
    auto const byte = static_cast<unsigned char>(character);
    if (byte < 0x20) {
      for (char const c : {'\\', 'u', '0', '0', encoding::HexDigits[byte >> 4U], encoding::HexDigits[byte & 15U]}) {
        sink.Add(c);
      }
    } else {
      if (character == '"' || character == '\\') sink.Add('\\');
      sink.Add(character);
    }
  }
  sink.Add('"');
}

}  // namespace mtlspop::json
