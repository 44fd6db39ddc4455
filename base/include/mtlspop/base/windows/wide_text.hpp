#pragma once

/// @file
/// Between the UTF-8 of this library and the UTF-16 of Windows.

#include <string>
#include <string_view>

namespace mtlspop {

/// UTF-8 to UTF-16; a byte that is no UTF-8 becomes U+FFFD.
std::wstring Widen(std::string_view text);
/// UTF-16 to UTF-8.
std::string Narrow(std::wstring_view text);

/// For names and identifiers, which are ASCII: anything else becomes '?'.
std::string NarrowAscii(std::wstring_view text);

/// Byte for character: how header fields go through WinHTTP, whose own conversion would depend on the machine's code page.
constexpr wchar_t WidenByte(char byte) noexcept { return static_cast<wchar_t>(static_cast<unsigned char>(byte)); }
/// The reverse, for a text; a character above U+00FF, which no header field can hold, becomes UTF-8.
std::string NarrowBytes(std::wstring_view text);

}  // namespace mtlspop
