#include "mtlspop/policies/bound_pipeline.hpp"

#include <utility>

#include "mtlspop/policies/log_policy.hpp"
#include "mtlspop/policies/token_authorization_policy.hpp"

namespace mtlspop {

HttpPipeline MakeBoundPipeline(
    gsl::not_null<std::shared_ptr<TokenCredential>> credential,
    gsl::not_null<std::shared_ptr<HttpTransport>> transport,
    BoundPipelineOptions options) {
  auto const time = options.Retry.Time;
  options.Retry.Log = options.Log;
  TokenAuthorizationOptions authorization;
  authorization.Scopes = std::move(options.Scopes);
  authorization.TenantId = std::move(options.TenantId);
  authorization.Binding = options.Binding;
  authorization.Log = options.Log;

  std::vector<std::unique_ptr<HttpPolicy>> policies;
  policies.push_back(std::make_unique<RetryPolicy>(std::move(options.Retry)));
  policies.push_back(std::make_unique<TokenAuthorizationPolicy>(std::move(credential), std::move(authorization)));
  policies.push_back(std::make_unique<LogPolicy>(std::move(options.Log), time));
  return HttpPipeline{std::move(policies), std::move(transport)};
}

}  // namespace mtlspop
