#include "call_failures.hpp"

#include <utility>

#include "mtlspop/credential/errors.hpp"
#include "mtlspop/policies/errors.hpp"

namespace mtlspop::failures {

namespace {

BoundCall::Fail Of(ErrorDetails details) { return {Error{std::move(details)}, nullptr}; }

}  // namespace

BoundCall::Fail NotHttps(Url const& target) {
  return Of(
      {errors::AuthorizationRequiresHttps,
       "A token was to be sent to " + target.GetOrigin().ToString() + ", which is not https",
       "Use an https URL: a token sent in the clear is open to everybody on the way"});
}

BoundCall::Fail WithoutBinding(Url const& target) {
  return Of(
      {errors::BoundTokenWithoutBinding,
       "The credential returned a bound token for " + target.Host() + " without its certificate",
       "This is a fault of the credential: a bound token must come with the certificate that it is bound to"});
}

BoundCall::Fail NotBound(Url const& target) {
  return Of(
      {errors::TokenTypeMismatch,
       "The credential returned a bearer token for " + target.Host() + ", where a bound one was required",
       "This is a fault of the credential: it must not answer TokenBinding::Required with another kind of token"});
}

BoundCall::Fail BoundTokensGoElsewhere(Url const& target) {
  return Of(
      {errors::ResourceDoesNotSupportBoundTokens,
       "A bound token was to be sent to " + target.Host() + ", which never asks for the certificate",
       "Send bound requests to https://mtlstb.graph.microsoft.com, with the same scope and path; or use a credential "
       "with TokenBinding::None for graph.microsoft.com"});
}

BoundCall::Fail BoundNotTaken(Url const& target) {
  return Of(
      {errors::ResourceDoesNotSupportBoundTokens, target.Host() + " does not take certificate-bound tokens",
       "Ask the resource's owners whether they support token binding, or use a credential with "
       "TokenBinding::None for this resource",
       401, "MtlsClientPopTokenNotSupportedByResource"});
}

BoundCall::Fail BearerNotTaken(Url const& target) {
  return Of(
      {errors::BearerTokensNotTaken,
       target.Host() + " takes certificate-bound tokens only, and was sent a bearer token",
       "Use a credential with TokenBinding::Required for this resource; where that fails, its error says what keeps "
       "the "
       "host from binding tokens",
       401, "BearerAuthenticationDisabledForKeyVault"});
}

BoundCall::Fail Redirected(Url const& target, int status) {
  return Of(
      {errors::RedirectRefused, target.Host() + " answered a bound request with a redirect",
       "Use the URL that the service redirects to, if it is one you trust: a bound token and its certificate are never "
       "taken elsewhere by an answer",
       status});
}

BoundCall::Fail ScopesUnknown(Url const& target, int status) {
  return Of(
      {errors::ScopesUnknown, target.Host() + " does not say what token it wants",
       "Give the scopes in the options, for example \"https://vault.azure.net/.default\"", status});
}

BoundCall::Fail Refused(Url const& target) {
  return Of(
      {errors::TokenRefused, target.Host() + " has refused the token, and the credential gives no other",
       "Look at the resource's own log for the reason, and at the identity's grants", 401});
}

}  // namespace mtlspop::failures
