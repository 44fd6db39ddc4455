#include "status.hpp"

#include <utility>

namespace mtlspop::windows {

std::string StatusText(std::int32_t status) {
  static constexpr char digits[] = "0123456789ABCDEF";
  auto const bits = static_cast<std::uint32_t>(status);
  std::string text = "0x";
  for (unsigned shift = 32; shift != 0; shift -= 4) {
    text += digits[bits >> (shift - 4) & 15U];
  }
  return text;
}

Error Failure(ErrorCode code, std::string what, std::int32_t status, std::string action) {
  ErrorDetails details{code, std::move(what) + " (status " + StatusText(status) + ")", std::move(action)};
  details.NothingSent = true;
  return Error{std::move(details)};
}

}  // namespace mtlspop::windows
