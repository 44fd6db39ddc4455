#include "azure_failure.hpp"

#include <azure/core/credentials/credentials.hpp>
#include <azure/core/http/http.hpp>

#include "mtlspop/policies/errors.hpp"

namespace mtlspop::azure {
namespace {

bool EndedByCaller(Error const& error, Azure::Core::Context const& context) {
  return error.Code() == errors::Cancelled || (error.Code() == errors::DeadlineExceeded && context.IsCancelled());
}

// Another try would meet the same refusal.
bool IsFinal(Error const& error) noexcept {
  auto const code = error.Code();
  return code == errors::BoundTokenWithoutBinding || code == errors::BindingRequiresHttps ||
         code == errors::InvalidArgument || code == errors::RedirectRefused;
}

}  // namespace

void ThrowAsAuthenticationFailure(Error const& error, Azure::Core::Context const& context) {
  if (EndedByCaller(error, context)) throw Azure::Core::OperationCancelledException(error.what());
  throw Azure::Core::Credentials::AuthenticationException(DescribeWithCauses(error));
}

void ThrowAsTransportFailure(Error const& error, Azure::Core::Context const& context) {
  if (EndedByCaller(error, context)) throw Azure::Core::OperationCancelledException(error.what());
  if (IsFinal(error)) throw Azure::Core::Credentials::AuthenticationException(DescribeWithCauses(error));
  throw Azure::Core::Http::TransportException(DescribeWithCauses(error));
}

}  // namespace mtlspop::azure
