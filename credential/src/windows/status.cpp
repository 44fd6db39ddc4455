#include "status.hpp"

#include <utility>

#include "mtlspop/base/encoding.hpp"

namespace mtlspop::windows {

std::string StatusText(std::int32_t status) {
  auto const bits = static_cast<std::uint32_t>(status);
  std::string text = "0x";
  for (unsigned shift = 32; shift != 0; shift -= 4) {
    text += encoding::HexDigits[bits >> (shift - 4) & 15U];
  }
  return text;
}

Error Failure(ErrorCode code, std::string what, std::int32_t status, std::string action) {
  ErrorDetails details{code, std::move(what) + " (status " + StatusText(status) + ")", std::move(action)};
  details.NothingSent = true;
  return Error{std::move(details)};
}

}  // namespace mtlspop::windows
