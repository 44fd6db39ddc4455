#include "mtlspop/policies/bound_pipeline.hpp"

#include <utility>
#include <vector>

#include "mtlspop/policies/bound_call_policy.hpp"
#include "mtlspop/policies/event_policy.hpp"

namespace mtlspop {

HttpPipeline MakeBoundPipeline(
    std::shared_ptr<TokenCredential> credential,
    std::shared_ptr<HttpTransport> transport,
    BoundPipelineOptions options) {
  auto const time = options.Time;
  auto const observer = options.Observer;
  auto const userAgent = options.UserAgent;
  auto settings = std::make_shared<BoundCallSettings const>(std::move(options));

  std::vector<std::unique_ptr<HttpPolicy>> policies;
  policies.push_back(std::make_unique<IdentificationPolicy>(userAgent));
  policies.push_back(std::make_unique<BoundCallPolicy>(std::move(credential), std::move(settings), time));
  policies.push_back(std::make_unique<EventPolicy>(observer, time));
  return HttpPipeline{std::move(policies), std::move(transport)};
}

}  // namespace mtlspop
