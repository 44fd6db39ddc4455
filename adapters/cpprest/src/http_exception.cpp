#include "mtlspop/cpprest/http_exception.hpp"

#include <array>
#include <system_error>
#include <utility>

namespace mtlspop::cpprest {
namespace {

std::error_code ErrorCodeOf(ErrorCode code) noexcept {
  static constexpr std::array<std::pair<ErrorCode, std::errc>, 25> conditions{{
      {errors::Cancelled, std::errc::operation_canceled},
      {errors::DeadlineExceeded, std::errc::timed_out},
      {errors::InvalidArgument, std::errc::invalid_argument},
      {errors::NameResolutionFailed, std::errc::host_unreachable},
      {errors::ConnectFailed, std::errc::host_unreachable},
      {errors::ProxyFailed, std::errc::host_unreachable},
      {errors::ProxyAuthenticationRequired, std::errc::host_unreachable},
      {errors::TlsHandshakeFailed, std::errc::protocol_error},
      {errors::ServerCertificateRejected, std::errc::protocol_error},
      {errors::BindingCertificateRejected, std::errc::protocol_error},
      {errors::RenegotiationLimitExceeded, std::errc::protocol_error},
      {errors::ConnectionLost, std::errc::connection_aborted},
      {errors::ConnectionLostDuringBinding, std::errc::connection_aborted},
      {errors::MalformedResponse, std::errc::bad_message},
      {errors::HeaderBytesLimitExceeded, std::errc::bad_message},
      {errors::HeaderCountLimitExceeded, std::errc::bad_message},
      {errors::LineBytesLimitExceeded, std::errc::bad_message},
      {errors::ChunkExtensionLimitExceeded, std::errc::bad_message},
      {errors::BufferedBodyLimitExceeded, std::errc::bad_message},
      {errors::InformationalLimitExceeded, std::errc::bad_message},
      {errors::RequestBodyFailed, std::errc::io_error},
      {errors::TrustStoreUnusable, std::errc::io_error},
      {errors::PoolExhausted, std::errc::resource_unavailable_try_again},
      {errors::PoolQueueFull, std::errc::resource_unavailable_try_again},
      {errors::SystemFailure, std::errc::io_error},
  }};
  for (auto const& [known, condition] : conditions) {
    if (known == code) return std::make_error_code(condition);
  }
  return std::make_error_code(std::errc::permission_denied);
}

}  // namespace

HttpException::HttpException(Error const& error)
    : http_exception(ErrorCodeOf(error.Code()), utility::conversions::to_string_t(DescribeWithCauses(error))),
      details_(error.Details()) {}

}  // namespace mtlspop::cpprest
