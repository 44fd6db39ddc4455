#include "confidential_client.hpp"

#include <utility>

#include "client_assertion.hpp"
#include "crypto.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/environment.hpp"
#include "tell_failure.hpp"
#include "token_service.hpp"

namespace mtlspop {

ConfidentialClient::ConfidentialClient(
    AuthorityOptions authority, std::string clientId, std::vector<std::string> capabilities, ServiceClient client)
    : authority_(std::move(authority)),
      tenants_{authority_.TenantId, authority_.AdditionallyAllowedTenants},
      endpoint_(MtlsTokenEndpoint(authority_)),
      clientId_(std::move(clientId)),
      capabilities_(std::move(capabilities)),
      client_(std::move(client)) {
  if (authority_.Region == DiscoverRegion) region_ = std::make_shared<RegionFinder>(client_, authority_.Environment);
  if (!clientId_.empty()) return;
  throw Error{{errors::InvalidArgument, "The credential has no client id", "Give the application's id"}};
}

ServiceClient ConfidentialClient::MakeServiceClient(
    std::shared_ptr<HttpTransport> const& transport,
    gsl::not_null<std::shared_ptr<Clock>> const& clock,
    RandomNumbers const& random,
    EventSink const& observer) {
  return ServiceClient{transport ? gsl::make_not_null(transport) : DefaultHttpTransport(), clock, random, observer};
}

std::string ConfidentialClient::Endpoint(std::string const& tenantId, Context const& context) const {
  bool const isOwn = tenantId.empty() || tenantId == authority_.TenantId;
  if (isOwn && !region_) return endpoint_;
  auto authority = authority_;
  if (!isOwn) authority.TenantId = tenantId;
  if (region_) authority.Region = region_->Find(context);
  return MtlsTokenEndpoint(authority);
}

AccessToken ConfidentialClient::RequestToken(
    ConfidentialRequest const& authentication,
    TokenRequest const& request,
    TokenRoute route,
    Context const& context) const {
  TokenServiceRequest message;
  message.Endpoint = Endpoint(request.TenantId, context);
  message.ClientId = clientId_;
  message.Scope = request.Scopes.front();
  message.Claims = request.Claims;
  message.ClientCapabilities = capabilities_;
  message.ClientAssertion = authentication.Assertion;
  message.IsBound = route == TokenRoute::Bound;
  // The certificate is enough for a bound token, and for no other.
  if (!message.IsBound && message.ClientAssertion.Empty()) {
    crypto::SignWithin(context, [&] {
      message.ClientAssertion =
          MakeClientAssertion(*authentication.Certificate, {clientId_, message.Endpoint}, client_.Time().Now());
    });
    message.AssertionKind = AssertionType::JwtBearer;
  }
  message.Certificate = authentication.Certificate;
  message.CorrelationId = authentication.CorrelationId;
  auto token = mtlspop::RequestToken(client_, message, context);
  if (route == TokenRoute::Fallback) token.Source = TokenSource::Fallback;
  return token;
}

void ConfidentialClient::Check(TokenRequest const& request) const {
  CheckTenantOfRequest(request.TenantId, tenants_);
  if (request.Scopes.size() == 1 && !request.Scopes.front().empty()) return;
  throw Error{
      {errors::InvalidArgument, "An application's token is for exactly one scope, and the request has another number",
       "Ask for one scope at a time, for example \"https://vault.azure.net/.default\""}};
}

namespace {

/// Within a handler: a bearer token is taken instead, or the failure stands.
void FallBackOrRethrow(ConfidentialTokens const& source, Error const& error, TokenRequest const& request) {
  bool const isTenants = error.Code() == errors::TenantNotEligibleForBoundTokens;
  if (!isTenants && error.Code() != errors::ResourceDoesNotSupportBoundTokens) throw;
  if (isTenants) source.Ineligible.Add(request.TenantId, source.Time.SteadyNow());
  source.Observer.Tell(
      Severity::Warning, "token.fell_back_to_bearer",
      {{"error", error.Code().Name()},
       {"what", error.Details().What},
       {"correlation_id", error.Details().CorrelationId}});
}

/// The road that is tried first.
TokenRoute FirstRoute(ConfidentialTokens const& source, TokenRequest const& request, TokenBinding effective) {
  if (effective == TokenBinding::None) return TokenRoute::MtlsBearer;
  bool const isIneligible =
      effective == TokenBinding::Preferred && source.Ineligible.Contain(request.TenantId, source.Time.SteadyNow());
  return isIneligible ? TokenRoute::Fallback : TokenRoute::Bound;
}

bool TryGetFallback(
    ConfidentialTokens const& source, TokenRequest const& request, TokenBinding effective, AccessToken& token) {
  return effective == TokenBinding::Preferred && source.Tokens.TryGet(request, TokenRoute::Fallback, token);
}

}  // namespace

AccessToken GetConfidential(ConfidentialTokens const& source, TokenRequest const& request, Context const& context) {
  source.Client.Check(request);
  auto const effective = EffectiveBinding(source.Binding, request.Binding);
  if (AccessToken token; TryGetFallback(source, request, effective, token)) return token;
  auto const route = FirstRoute(source, request, effective);
  bool const mayFallBack = effective == TokenBinding::Preferred && route == TokenRoute::Bound;
  if (!mayFallBack) return source.Tokens.Get(request, route, context);
  try {
    return source.Tokens.Get(request, route, context);
  } catch (Error const& error) {
    FallBackOrRethrow(source, error, request);
  }
  return source.Tokens.Get(request, TokenRoute::Fallback, context);
}

std::optional<AccessToken> TryGetConfidential(ConfidentialTokens const& source, TokenRequest const& request) {
  source.Client.Check(request);
  auto const effective = EffectiveBinding(source.Binding, request.Binding);
  AccessToken token;
  if (TryGetFallback(source, request, effective, token)) return token;
  if (source.Tokens.IsAtHand(request, FirstRoute(source, request, effective), token)) return token;
  return std::nullopt;
}

void GetConfidentialAsync(
    ConfidentialTokens const& source,
    TokenRequest const& request,
    Context const& context,
    Completion<AccessToken> done) {
  source.Client.Check(request);
  auto const effective = EffectiveBinding(source.Binding, request.Binding);
  if (AccessToken token; TryGetFallback(source, request, effective, token)) {
    return DefaultExecutor()([token = std::move(token), done = std::move(done)]() mutable { done(std::move(token)); });
  }
  auto const route = FirstRoute(source, request, effective);
  bool const mayFallBack = effective == TokenBinding::Preferred && route == TokenRoute::Bound;
  if (!mayFallBack) return source.Tokens.GetAsync(request, route, context, std::move(done));
  source.Tokens.GetAsync(
      request, route, context, [source, request, context, done = std::move(done)](Outcome<AccessToken> outcome) {
        if (outcome.HasValue()) return done(std::move(outcome));
        ContinueOrTell(done, [&] {
          try {
            std::move(outcome).Take();
          } catch (Error const& error) {
            FallBackOrRethrow(source, error, request);
          }
          source.Tokens.GetAsync(request, TokenRoute::Fallback, context, done);
        });
      });
}

}  // namespace mtlspop
