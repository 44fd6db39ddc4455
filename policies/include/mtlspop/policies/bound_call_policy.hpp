#pragma once

/// @file
/// Authorizes a request, sends it with the certificate that its token is bound to, and does what follows from the answer.

#include <memory>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/export.hpp"
#include "mtlspop/policies/bound_call.hpp"
#include "mtlspop/policies/http_policy.hpp"
#include "mtlspop/transport/clock.hpp"

namespace mtlspop {

/// The driver of a `BoundCall` in a pipeline: what is decided, and why, is said there.
///
/// Sets `Authorization`, `x-ms-tokenboundauth` and `PipelineRequest::Binding` together, anew at each attempt, and takes them
/// away together where a token is a bearer token (RFC 8705 section 3). No redirect is followed.
///
/// Thread safety: one policy serves many requests at once; clones share what was learned.
class MTLSPOP_EXPORT BoundCallPolicy final : public HttpPolicy {
 public:
  /// @throw Error `invalid_argument` for a pointer that is null
  BoundCallPolicy(
      std::shared_ptr<TokenCredential> credential,
      std::shared_ptr<BoundCallSettings const> settings,
      std::shared_ptr<Clock> time = SystemClock());

  /// @throw Error `authorization_requires_https`, `bound_token_without_binding`, `redirect_refused`, `challenge_rejected`,
  /// `scopes_unknown`, `resource_does_not_support_bound_tokens`, `bearer_tokens_not_taken`, `token_refused`; what the
  /// credential and the transport throw, with the number of attempts in its details.
  std::unique_ptr<Response> Send(PipelineRequest& request, NextHttpPolicy next, Context const& context) const override;
  /// No thread waits for a token, for another call, for an answer or for the next attempt.
  void SendAsync(
      std::shared_ptr<PipelineRequest> request,
      NextHttpPolicy next,
      Context const& context,
      Completion<std::unique_ptr<Response>> done) const override;

  std::unique_ptr<HttpPolicy> Clone() const override;

 private:
  std::shared_ptr<TokenCredential> credential_;
  std::shared_ptr<BoundCallSettings const> settings_;
  std::shared_ptr<Clock> time_;
};

}  // namespace mtlspop
