#include "no_answer.hpp"

#include <algorithm>
#include <array>

namespace mtlspop {

NoAnswer WhyNoAnswer(Error const& failure) noexcept {
  static constexpr std::array unreadable{
      errors::MalformedResponse,          errors::HeaderBytesLimitExceeded,    errors::HeaderCountLimitExceeded,
      errors::LineBytesLimitExceeded,     errors::ChunkExtensionLimitExceeded, errors::BufferedBodyLimitExceeded,
      errors::InformationalLimitExceeded,
  };
  auto const code = failure.Code();
  if (std::find(unreadable.begin(), unreadable.end(), code) != unreadable.end()) return NoAnswer::NoHttp;
  if (code == errors::ConnectionLost || code == errors::ConnectionLostDuringBinding) return NoAnswer::Lost;
  return code == errors::DeadlineExceeded && !failure.Details().NothingSent ? NoAnswer::TooSlow : NoAnswer::NobodyThere;
}

}  // namespace mtlspop
