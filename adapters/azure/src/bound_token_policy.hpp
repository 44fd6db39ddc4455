#pragma once

#include <memory>

#include <azure/core/http/policies/policy.hpp>

#include "bound_operation.hpp"

namespace mtlspop::azure {

/// Gives a request whose Authorization field holds one of our bound tokens the bound form and its binding. What it may do
/// about a refusal it draws from the `BoundOperation` in the context; without one, each request counts by itself.
///
/// A pipeline may hold it more than once (copying Azure's `ClientOptions` adds the policies to those that are there): the
/// first one does the work.
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

  std::shared_ptr<BoundTokenSettings const> const& Settings() const noexcept { return settings_; }

 private:
  std::shared_ptr<BoundTokenSettings const> settings_;
};

}  // namespace mtlspop::azure
