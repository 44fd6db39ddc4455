#include "azure_failure.hpp"

#include <chrono>

#include <azure/core/credentials/credentials.hpp>
#include <azure/core/http/http.hpp>

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

// Another try would meet the same refusal.
bool IsFinal(Error const& error) noexcept {
  auto const code = error.Code();
  return code == errors::BoundTokenWithoutBinding || code == errors::BindingRequiresHttps ||
         code == errors::InvalidArgument || code == errors::RedirectRefused ||
         code == errors::ServerCertificateRejected || code == errors::TrustStoreUnusable ||
         code == errors::PrivateKeyUnusable || code == errors::InvalidBindingCertificate;
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
