#include "mtlspop/base/windows/wide_text.hpp"

#include <algorithm>

#include <windows.h>

namespace mtlspop {

std::wstring Widen(std::string_view text) {
  auto const bytes = static_cast<int>(text.size());
  std::wstring wide(
      text.empty() ? 0 : static_cast<std::size_t>(MultiByteToWideChar(CP_UTF8, 0, text.data(), bytes, nullptr, 0)),
      L'\0');
  if (!wide.empty()) {
    MultiByteToWideChar(CP_UTF8, 0, text.data(), bytes, wide.data(), static_cast<int>(wide.size()));
  }
  return wide;
}

std::string Narrow(std::wstring_view text) {
  auto const length = static_cast<int>(text.size());
  std::string narrow(
      text.empty() ? 0
                   : static_cast<std::size_t>(
                         WideCharToMultiByte(CP_UTF8, 0, text.data(), length, nullptr, 0, nullptr, nullptr)),
      '\0');
  if (!narrow.empty()) {
    WideCharToMultiByte(
        CP_UTF8, 0, text.data(), length, narrow.data(), static_cast<int>(narrow.size()), nullptr, nullptr);
  }
  return narrow;
}

std::string NarrowAscii(std::wstring_view text) {
  std::string narrow;
  for (wchar_t const letter : text) {
    narrow += letter > 0 && letter < 0x7F ? static_cast<char>(letter) : '?';
  }
  return narrow;
}

std::string NarrowBytes(std::wstring_view text) {
  if (std::any_of(text.begin(), text.end(), [](wchar_t character) { return character > 0xFF; })) {
    return Narrow(text);
  }
  std::string bytes(text.size(), '\0');
  std::transform(
      text.begin(), text.end(), bytes.begin(), [](wchar_t character) { return static_cast<char>(character); });
  return bytes;
}

}  // namespace mtlspop
