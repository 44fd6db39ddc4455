#pragma once

/// @file
/// What a request to a resource says of itself, so that it can be found again on both sides.

#include <memory>
#include <string>
#include <utility>

#include "mtlspop/export.hpp"
#include "mtlspop/policies/http_policy.hpp"

namespace mtlspop {

/// "mtlspop/VERSION (SYSTEM)", for example "mtlspop/0.1.0 (Linux)" (RFC 9110 section 10.1.5).
MTLSPOP_EXPORT std::string DefaultUserAgent();

/// Gives each call an id of its own, the same for all of its attempts: `x-ms-client-request-id`, kept where the request has
/// one already; and the `User-Agent`, likewise. Everything else passes as it is, `traceparent` (W3C Trace Context) too. What
/// was added is taken off the request again in the end.
///
/// An `Error` that leaves the call bears that id, unless it bears one of a request to another service (a token's).
///
/// It belongs at the top of a pipeline, above the policy that retries.
///
/// Thread safety: one policy serves many requests at once.
class MTLSPOP_EXPORT IdentificationPolicy final : public HttpPolicy {
 public:
  /// @param userAgent "" for none
  explicit IdentificationPolicy(std::string userAgent = DefaultUserAgent()) : userAgent_(std::move(userAgent)) {}

  std::unique_ptr<Response> Send(PipelineRequest& request, NextHttpPolicy next, Context const& context) const override;
  void SendAsync(
      std::shared_ptr<PipelineRequest> request,
      NextHttpPolicy next,
      Context const& context,
      Completion<std::unique_ptr<Response>> done) const override;

  std::unique_ptr<HttpPolicy> Clone() const override { return std::make_unique<IdentificationPolicy>(userAgent_); }

 private:
  std::string userAgent_;
};

}  // namespace mtlspop
