#include "schannel/system_error.hpp"

#include <array>
#include <string_view>

#include <windows.h>

#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/windows/wide_text.hpp"

namespace mtlspop::schannel {

std::string DescribeStatus(std::uint32_t status) {
  std::string text = "0x";
  for (unsigned shift = 32; shift != 0; shift -= 4) {
    text += encoding::HexDigits[status >> (shift - 4) & 15U];
  }
  std::array<wchar_t, 512> message{};
  auto const length = FormatMessageW(
      FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK, nullptr, status, 0,
      message.data(), static_cast<DWORD>(message.size()), nullptr);
  std::wstring_view said{message.data(), length};
  while (!said.empty() && (said.back() == L' ' || said.back() == L'.')) {
    said.remove_suffix(1);
  }
  return said.empty() ? text : text + " (" + Narrow(said) + ")";
}

}  // namespace mtlspop::schannel
