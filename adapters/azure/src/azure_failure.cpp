#include "azure_failure.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <string>

#include <azure/core/credentials/credentials.hpp>
#include <azure/core/exception.hpp>
#include <azure/core/http/http.hpp>

#include "mtlspop/azure/errors.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/policies/errors.hpp"

namespace mtlspop::azure {
namespace {

// Azure's deadline is by the system's clock, ours by the steady one: the two need not pass at the same moment.
constexpr std::chrono::milliseconds ClocksApart{50};

// Whatever it was that failed, for example the body of the request, which Azure's own streams refuse to go on reading.
bool EndedByCaller(Error const& error, Azure::Core::Context const& context) {
  if (error.Code() == errors::Cancelled || context.IsCancelled()) return true;
  return error.Code() == errors::DeadlineExceeded &&
         context.GetDeadline() <= Azure::DateTime{std::chrono::system_clock::now() + ClocksApart};
}

// The binding is lost, unusable or not wanted, or the token is.
constexpr ErrorCode AboutTheBinding[] = {
    errors::AuthorizationRequiresHttps,
    errors::BearerTokensNotTaken,
    errors::BindingCertificateRejected,
    errors::BindingRequiresHttps,
    errors::BoundTokenWithoutBinding,
    errors::ChallengeRejected,
    errors::InvalidBindingCertificate,
    errors::PrivateKeyUnusable,
    errors::ResourceDoesNotSupportBoundTokens,
    errors::TokenBindingNotInUse,
    errors::TokenRefused,
    errors::TokenTypeMismatch,
};

// What Azure's retry policy tries again for any transport, whether we would or not. Everything else is final: another try
// would meet the same.
constexpr ErrorCode MayPass[] = {
    errors::ConnectFailed,    errors::ConnectionLost,     errors::ConnectionLostDuringBinding,
    errors::DeadlineExceeded, errors::MalformedResponse,  errors::NameResolutionFailed,
    errors::PoolExhausted,    errors::PoolQueueFull,      errors::ProxyFailed,
    errors::SystemFailure,    errors::TlsHandshakeFailed,
};

template <std::size_t Count>
bool IsOneOf(ErrorCode code, ErrorCode const (&codes)[Count]) noexcept {
  return std::find(std::begin(codes), std::end(codes), code) != std::end(codes);
}

template <typename Failure>
[[noreturn]] void ThrowRequestFailed(Error const& error) {
  Failure failure{DescribeWithCauses(error)};
  // A copy takes its text from here.
  failure.Message = failure.what();
  failure.StatusCode = static_cast<Azure::Core::Http::HttpStatusCode>(error.Details().HttpStatus);
  failure.ErrorCode = std::string{error.Code().Name()};
  throw failure;
}

}  // namespace

void ThrowAsAuthenticationFailure(Error const& error, Azure::Core::Context const& context) {
  if (EndedByCaller(error, context)) throw Azure::Core::OperationCancelledException(error.what());
  throw Azure::Core::Credentials::AuthenticationException(DescribeWithCauses(error));
}

void ThrowAsRequestFailure(Error const& error, Azure::Core::Context const& context) {
  if (EndedByCaller(error, context)) throw Azure::Core::OperationCancelledException(error.what());
  if (IsOneOf(error.Code(), AboutTheBinding)) {
    throw Azure::Core::Credentials::AuthenticationException(DescribeWithCauses(error));
  }
  if (error.Details().Transient || IsOneOf(error.Code(), MayPass)) {
    ThrowRequestFailed<Azure::Core::Http::TransportException>(error);
  }
  ThrowRequestFailed<Azure::Core::RequestFailedException>(error);
}

}  // namespace mtlspop::azure
