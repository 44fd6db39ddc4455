#pragma once

#include <memory>

#include <azure/core/http/policies/policy.hpp>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/log.hpp"
#include "token_pairs.hpp"

namespace mtlspop::azure {

/// What the policy needs. Immutable.
struct BoundTokenSettings {
  std::shared_ptr<mtlspop::TokenCredential> Credential;
  std::shared_ptr<TokenPairs> Pairs;
  Azure::Core::Http::Policies::RetryOptions Retry;
  std::shared_ptr<Clock> Time;
  Logger Log;
};

/// Gives a request whose Authorization field holds one of our bound tokens the bound form and its binding.
///
/// Thread safety: one policy serves many requests at once.
class BoundTokenPolicy final : public Azure::Core::Http::Policies::HttpPolicy {
 public:
  explicit BoundTokenPolicy(std::shared_ptr<BoundTokenSettings const> settings) noexcept
      : settings_(std::move(settings)) {}

  std::unique_ptr<Azure::Core::Http::RawResponse> Send(
      Azure::Core::Http::Request& request,
      Azure::Core::Http::Policies::NextHttpPolicy nextPolicy,
      Azure::Core::Context const& context) const override;

  std::unique_ptr<HttpPolicy> Clone() const override { return std::make_unique<BoundTokenPolicy>(settings_); }

 private:
  std::shared_ptr<BoundTokenSettings const> settings_;
};

}  // namespace mtlspop::azure
