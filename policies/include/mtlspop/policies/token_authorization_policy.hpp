#pragma once

/// @file
/// Authorizes a request with a bound token, and sends it with the certificate that the token is bound to.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gsl/pointers>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/policies/http_policy.hpp"
#include "mtlspop/transport/log.hpp"

namespace mtlspop {

struct TokenAuthorizationOptions {
  /// What tokens are asked for, for example "https://vault.azure.net/.default". Where there are none, the resource's own
  /// challenge says so, as Key Vault's does: the first request to an origin then goes without a token and without a body
  /// (one that changes something is preceded by a GET of the same URL), and what was learned is kept.
  std::vector<std::string> Scopes;
  /// "" for the one that the resource's challenge names, or else the credential's own.
  std::string TenantId;
  /// Stricter than the credential's own setting, never laxer.
  std::optional<TokenBinding> Binding;
  Logger Log;
};

/// Sets `Authorization`, `x-ms-tokenboundauth` and `PipelineRequest::Binding` together, anew at each attempt, and takes
/// them away together where a token is a bearer token (RFC 8705 section 3).
///
/// - A URL that is not https is an error before a token is asked for.
/// - A redirect in answer to a bound request is an error; it is never followed.
/// - A 401 with a claims challenge, with another scope or tenant than the one used, or that says that the binding is no
///   longer good is answered with another token, once. Any other 401 is the application's to see.
/// - A resource that refuses bound tokens altogether is sent a bearer token from then on, where the options prefer binding
///   and the credential gives one; otherwise it is an error.
/// - A binding certificate that the server refuses in the handshake is dropped and replaced, once.
///
/// It belongs below a `RetryPolicy`, so that it runs anew at each attempt.
///
/// Thread safety: one policy serves many requests at once; clones share what was learned.
class TokenAuthorizationPolicy final : public HttpPolicy {
 public:
  explicit TokenAuthorizationPolicy(
      gsl::not_null<std::shared_ptr<TokenCredential>> credential, TokenAuthorizationOptions options = {});
  ~TokenAuthorizationPolicy() override;

  /// @throw Error `authorization_requires_https`, `bound_token_without_binding`, `redirect_refused`, `challenge_rejected`,
  /// `scopes_unknown`, `resource_does_not_support_bound_tokens`; what the credential and the transport throw.
  std::unique_ptr<Response> Send(PipelineRequest& request, NextHttpPolicy next, Context const& context) const override;

  std::unique_ptr<HttpPolicy> Clone() const override;

 private:
  class State;
  explicit TokenAuthorizationPolicy(std::shared_ptr<State const> state) noexcept;

  std::shared_ptr<State const> state_;
};

}  // namespace mtlspop
