#pragma once

/// @file
/// What applications with a certificate and applications with an assertion have in common.

#include <memory>
#include <string>
#include <vector>

#include <gsl/pointers>

#include "cached_tokens.hpp"
#include "ineligible_tenants.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "region.hpp"
#include "service_client.hpp"
#include "tenants.hpp"

namespace mtlspop {

/// What one token request is authenticated with.
struct ConfidentialRequest {
  std::shared_ptr<BindingCertificate const> Certificate;
  /// "" for none.
  Secret Assertion;
  std::string CorrelationId;
};

/// An application at the mutual-TLS token endpoint.
///
/// Thread safety: immutable.
class ConfidentialClient final {
 public:
  /// @throw Error `tenant_required`, `invalid_argument`
  ConfidentialClient(
      AuthorityOptions authority, std::string clientId, std::vector<std::string> capabilities, ServiceClient client);

  static ServiceClient MakeServiceClient(
      std::shared_ptr<HttpTransport> const& transport,
      gsl::not_null<std::shared_ptr<Clock>> const& clock,
      RandomNumbers const& random,
      EventSink const& observer);

  AccessToken RequestToken(
      ConfidentialRequest const& authentication,
      TokenRequest const& request,
      TokenRoute route,
      Context const& context) const;

  /// @throw Error `invalid_argument` for no scope or more than one, `tenant_not_allowed`, `tenant_required`
  void Check(TokenRequest const& request) const;

  HttpTransport& Transport() const noexcept { return client_.Transport(); }

 private:
  std::string Endpoint(std::string const& tenantId, Context const& context) const;

  AuthorityOptions authority_;
  AllowedTenants tenants_;
  std::string endpoint_;
  std::string clientId_;
  std::vector<std::string> capabilities_;
  ServiceClient client_;
  /// Null where the region is not looked for.
  std::shared_ptr<RegionFinder> region_;
};

/// What an application's credential gets its tokens from.
struct ConfidentialTokens {
  ConfidentialClient const& Client;
  CachedTokens& Tokens;
  IneligibleTenants& Ineligible;
  /// The credential's.
  TokenBinding Binding;
  Clock const& Time;
  EventSink const& Observer;
};

/// A token by the road that the credential's and the request's binding ask for. Where a bound token is preferred and
/// the resource or the tenant cannot have one: a bearer token.
/// @throw Error what `ConfidentialClient::Check` and the road throw
AccessToken GetConfidential(ConfidentialTokens const& source, TokenRequest const& request, Context const& context);

/// The same where it can be had at once.
std::optional<AccessToken> TryGetConfidential(ConfidentialTokens const& source, TokenRequest const& request);

/// The same without waiting for it, as `CachedTokens::GetAsync`. What `source` refers to lives until `done` has been called.
void GetConfidentialAsync(
    ConfidentialTokens const& source,
    TokenRequest const& request,
    Context const& context,
    Completion<AccessToken> done);

}  // namespace mtlspop
