#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include <azure/core/http/policies/policy.hpp>

#include "bound_operation.hpp"

namespace mtlspop::azure {

/// Sends a request whose Authorization field holds a handle of ours with the token that the handle stands for, and does what
/// `BoundCall` says about the answer. What a call remembers stands in the `BoundOperation` of the context; without one, each
/// request counts by itself. All other requests pass.
///
/// A pipeline may hold it more than once (copying Azure's `ClientOptions` adds the policies to those that are there): the
/// first one does the work.
///
/// Thread safety: one policy serves many requests at once.
class BoundTokenPolicy final : public Azure::Core::Http::Policies::HttpPolicy {
 public:
  explicit BoundTokenPolicy(std::shared_ptr<BoundSources const> sources) noexcept : sources_(std::move(sources)) {}

  std::unique_ptr<Azure::Core::Http::RawResponse> Send(
      Azure::Core::Http::Request& request,
      Azure::Core::Http::Policies::NextHttpPolicy nextPolicy,
      Azure::Core::Context const& context) const override;

  std::unique_ptr<HttpPolicy> Clone() const override { return std::make_unique<BoundTokenPolicy>(sources_); }

  std::shared_ptr<BoundSources const> const& Sources() const noexcept { return sources_; }

 private:
  /// @throw Error, and what the policies behind this one throw
  std::unique_ptr<Azure::Core::Http::RawResponse> SendOrThrow(
      Azure::Core::Http::Request& request,
      Azure::Core::Http::Policies::NextHttpPolicy& nextPolicy,
      Azure::Core::Context const& context) const;
  void NoteOtherToken(Azure::Core::Http::Request const& request) const;
  void RefuseForeignTransport(
      Azure::Core::Http::Request const& request,
      Azure::Core::Http::Policies::NextHttpPolicy& next,
      Azure::Core::Context const& context) const;

  std::shared_ptr<BoundSources const> sources_;
  /// Of the pipeline that this policy was cloned for.
  mutable std::atomic<bool> isTransportKnown_{false};
  mutable std::atomic<bool> isOtherTokenTold_{false};
};

}  // namespace mtlspop::azure
