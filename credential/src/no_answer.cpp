#include "no_answer.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace mtlspop {
namespace {

template <std::size_t Size>
bool IsAmong(std::array<ErrorCode, Size> const& codes, ErrorCode code) noexcept {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

}  // namespace

bool IsOfThisProcess(Error const& failure) noexcept {
  static constexpr std::array own{errors::Cancelled,     errors::SystemFailure,   errors::PoolExhausted,
                                  errors::PoolQueueFull, errors::InvalidArgument, errors::TrustStoreUnusable};
  return IsAmong(own, failure.Code());
}

NoAnswer WhyNoAnswer(Error const& failure) noexcept {
  static constexpr std::array unreadable{
      errors::MalformedResponse,          errors::HeaderBytesLimitExceeded,    errors::HeaderCountLimitExceeded,
      errors::LineBytesLimitExceeded,     errors::ChunkExtensionLimitExceeded, errors::BufferedBodyLimitExceeded,
      errors::InformationalLimitExceeded,
  };
  static constexpr std::array withoutTls{errors::ServerCertificateRejected, errors::TlsHandshakeFailed};
  auto const code = failure.Code();
  if (IsAmong(unreadable, code)) return NoAnswer::NoHttp;
  if (IsAmong(withoutTls, code)) return NoAnswer::NoTls;
  if (code == errors::ConnectionLost || code == errors::ConnectionLostDuringBinding) return NoAnswer::Lost;
  return code == errors::DeadlineExceeded && !failure.Details().NothingSent ? NoAnswer::TooSlow : NoAnswer::NobodyThere;
}

}  // namespace mtlspop
