#pragma once

/// @file
/// The token service, over mutual TLS.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mtlspop/credential/access_token.hpp"
#include "mtlspop/credential/token_credential.hpp"
#include "service_client.hpp"

namespace mtlspop {

/// What an assertion is (the `client_assertion_type` of RFC 7521 section 4.2).
enum class AssertionType {
  /// A bound token of another leg, shown over the certificate that it is bound to.
  JwtPop,
  /// A JWT that the application signed itself (RFC 7523 section 2.2).
  JwtBearer,
};

/// What a token is asked for with.
struct TokenServiceRequest {
  /// The URL of the token endpoint.
  std::string Endpoint;
  std::string ClientId;
  /// As the caller gave it: a scope, or a resource.
  std::string Scope;
  /// JSON, "" for none.
  std::string Claims;
  std::vector<std::string> ClientCapabilities;
  /// "" for none.
  Secret ClientAssertion;
  AssertionType AssertionKind = AssertionType::JwtPop;
  /// Whether the token has to be bound. If not, it is a bearer token all the same asked for over mutual TLS.
  bool IsBound = true;
  /// Never null.
  std::shared_ptr<BindingCertificate const> Certificate;
  /// Whether the metadata service has issued it, and issues another when this one is refused. If not, it is the application's own.
  bool IsIssued = false;
  std::string CorrelationId;
};

/// Asks for a token and checks the answer: token type, binding, expiry.
/// @throw Error `binding_rejected` where the service or TLS refuses the certificate;
/// `resource_does_not_support_bound_tokens`, `tenant_not_eligible_for_bound_tokens`, `mtls_not_enabled_for_app`,
/// `token_request_refused`, `token_service_unavailable`, `token_response_malformed`, `token_type_mismatch`, `token_malformed`,
/// `token_binding_mismatch`
AccessToken RequestToken(ServiceClient const& client, TokenServiceRequest const& request, Context const& context);

/// Whether `binding_rejected` is about the attestation with which the certificate was issued: the next one needs another.
bool ConcernsAttestation(ErrorDetails const& rejected) noexcept;

/// Whether `binding_rejected` can be about what a tenant knows of the client and not about the certificate itself, which
/// others may go on with: `invalid_client` without anything that names the certificate.
bool MayConcernOneTenant(ErrorDetails const& rejected) noexcept;

/// `{resource without trailing slash}/.default`; what ends in `/.default` stays as it is.
std::string ToScope(std::string const& scopeOrResource);

/// The claims of a challenge together with what the application understands, "" for neither.
/// @throw Error `invalid_argument` where `claims` is no JSON object
std::string MergeClaims(std::string const& claims, std::vector<std::string> const& capabilities);

}  // namespace mtlspop
