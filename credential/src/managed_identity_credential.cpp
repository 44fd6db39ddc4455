#include "mtlspop/credential/managed_identity_credential.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "binding_life.hpp"
#include "binding_source.hpp"
#include "cached_tokens.hpp"
#include "crypto.hpp"
#include "failure.hpp"
#include "ineligible_tenants.hpp"
#include "managed_identity_settings.hpp"
#include "mtlspop/base/environment_variable.hpp"
#include "mtlspop/base/uuid.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/environment.hpp"
#include "mtlspop/transport/required.hpp"
#include "no_answer.hpp"
#include "tell_failure.hpp"
#include "tenants.hpp"
#include "token_service.hpp"

namespace mtlspop {
namespace {

ServiceClient MakeClient(ManagedIdentityCredentialOptions const& options) {
  auto transport = options.Transport ? options.Transport : DefaultHttpTransport().get();
  return ServiceClient{
      gsl::make_not_null(std::move(transport)), Required(options.Time, "ManagedIdentityCredentialOptions::Time"),
      RandomOr(options.Random), options.Observer};
}

std::shared_ptr<AttestationCache> MakeAttestation(
    ManagedIdentityCredentialOptions const& options, ManagedIdentitySettings const& settings) {
  auto provider = options.Attestation ? options.Attestation : crypto::PlatformAttestationProvider();
  if (!options.Attest || !provider) return nullptr;
  return std::make_shared<AttestationCache>(AttestationCache::Options{
      gsl::make_not_null(std::move(provider)), options.Time, options.Observer, settings.KeepsAttestations});
}

/// Whose events these are.
ManagedIdentityCredentialOptions NamedOptions(ManagedIdentityCredentialOptions options) {
  options.Observer =
      options.Observer.With({{"credential", "ManagedIdentityCredential"}, {"identity", options.Identity.ToString()}});
  return options;
}

ManagedIdentitySettings CheckedSettings(ManagedIdentityCredentialOptions const& options) {
  if (!options.TenantId.empty()) CheckTenant(options.TenantId, "ManagedIdentityCredentialOptions::TenantId");
  CheckAdditionalTenants(options.AdditionallyAllowedTenants);
  return ReadSettings(options);
}

/// How soon binding is tried again after a failure that may go by itself.
constexpr std::chrono::minutes FallbackRetry{5};

/// Whether the failure leaves a bearer token to be had. What the caller insisted on is not given up.
bool MayFallBack(Error const& error, Context const& context) noexcept {
  auto const code = error.Code();
  // Where nobody answers, version 1 does not either. What this process lacks for the moment says nothing of binding.
  return !IsOfThisProcess(error) && code != errors::AttestationFailed && code != errors::ImdsNotReachable &&
         code != errors::TenantRequired && code != errors::TenantNotAllowed && !context.IsCancelled() &&
         !context.IsExpired();
}

/// Whether trying again soon could give a bound token.
bool IsPassing(ErrorCode code) noexcept {
  return code != errors::MtlsPopNotSupportedInImdsV1 && code != errors::MtlsPopRequiresKeyGuard &&
         code != errors::MtlsPopDisabled && code != errors::MinimumStrengthNotAvailable &&
         code != errors::ResourceDoesNotSupportBoundTokens && code != errors::TenantNotEligibleForBoundTokens;
}

}  // namespace

std::string ReadEnvironment(char const* name) {
  char const* const value = ReadEnvironmentVariable(name);
  return value == nullptr ? std::string{} : std::string{value};
}

class ManagedIdentityCredential::Impl {
 public:
  explicit Impl(ManagedIdentityCredentialOptions options);

  AccessToken GetToken(TokenRequest const& request, Context const& context);
  std::optional<AccessToken> TryGetToken(TokenRequest const& request);
  void GetTokenAsync(TokenRequest const& request, Context const& context, Completion<AccessToken> done);
  void ReportRefusal(AccessToken const& refused, RefusalReason reason) noexcept { life_.Hear(refused, reason); }

 private:
  void Check(TokenRequest const& request) const;
  void RotateIfDue();
  /// The one road, unless binding is merely preferred.
  TokenRoute RouteFor(TokenBinding binding) const noexcept;
  AccessToken GetPreferred(TokenRequest const& request, Context const& context);
  void GetPreferredAsync(TokenRequest const& request, Context const& context, Completion<AccessToken> done);
  bool TryGetFallback(TokenRequest const& request, AccessToken& token);
  /// Whether a bearer token is taken instead of a bound one that is merely preferred and could not be had.
  bool FallsBackAfter(Error const& error, Context const& context) const;
  /// Within a handler: a bearer token is taken instead, or the failure stands.
  void FallBackOrRethrow(Error const& error, TokenRequest const& request, Context const& context);
  AccessToken Fetch(TokenRequest const& request, TokenRoute route, bool isRefresh, Context const& context);
  AccessToken FetchOverMtls(TokenRequest const& request, TokenRoute route, Context const& context);
  AccessToken FetchFallback(TokenRequest const& request, bool isRefresh, Context const& context);
  AccessToken FetchBearer(TokenRequest const& request, Context const& context);
  AccessToken RequestWith(
      StoredBinding const& binding,
      TokenRequest const& request,
      TokenRoute route,
      std::string const& correlationId,
      Context const& context) const;
  BindingSource::Options MakeBindingOptions();
  std::string const& TenantOf(TokenRequest const& request) const noexcept;

  ManagedIdentityCredentialOptions options_;
  Clock* clock_ = options_.Time.get();
  ManagedIdentitySettings settings_;
  ServiceClient client_;
  ImdsClient imds_;
  std::shared_ptr<AttestationCache> attestation_;
  TokenCache cache_{RandomOr(options_.Random)};
  BindingLife life_;
  BindingSource bindings_;
  /// Whether the last reason to fall back was one that may go by itself.
  std::atomic<bool> fallbackIsPassing_{false};
  /// For those that prefer bound tokens.
  IneligibleTenants ineligible_{RandomOr(options_.Random)};
  /// Last, so that it ends first: its jobs use all of the above.
  CachedTokens tokens_;
};

ManagedIdentityCredential::Impl::Impl(ManagedIdentityCredentialOptions options)
    : options_(NamedOptions(std::move(options))),
      settings_(CheckedSettings(options_)),
      client_(MakeClient(options_)),
      imds_(
          {settings_.ImdsEndpoint, options_.Identity, settings_.ImdsEndpointSource,
           options_.CapabilityDiscoveryTimeout},
          client_),
      attestation_(MakeAttestation(options_, settings_)),
      life_(
          {BindingSupply::Renewable, *clock_, RandomOr(options_.Random), options_.Observer,
           [this](std::string const& x5tS256) { client_.Transport().DropConnections(x5tS256); }},
          cache_),
      bindings_(MakeBindingOptions(), imds_, life_),
      tokens_(
          options_.Time,
          options_.Observer,
          cache_,
          life_,
          [this](auto const& request, auto route, bool isRefresh, auto const& context) {
            return Fetch(request, route, isRefresh, context);
          }) {}

BindingSource::Options ManagedIdentityCredential::Impl::MakeBindingOptions() {
  auto keys = options_.Keys ? gsl::make_not_null(options_.Keys) : MakeDefaultKeyProvider();
  auto store = options_.Store ? gsl::make_not_null(options_.Store) : MakeMemoryBindingStore();
  std::string const name = settings_.ImdsEndpoint + " " + options_.Identity.ToString() +
                           (options_.Attest ? " attested " : " ") + std::string{ToString(options_.MinimumStrength)};
  return {std::move(keys),          attestation_,      std::move(store), name,
          options_.MinimumStrength, settings_.KeyName, options_.Time,    RandomOr(options_.Random),
          options_.Observer};
}

void ManagedIdentityCredential::Impl::Check(TokenRequest const& request) const {
  if (request.Scopes.size() != 1 || request.Scopes.front().empty()) {
    throw Error{
        {errors::InvalidArgument,
         "A managed identity's token is for exactly one scope, and the request has another number",
         "Ask for one scope at a time, for example \"https://vault.azure.net/.default\""}};
  }
  if (!request.TenantId.empty()) CheckTenant(request.TenantId, "The tenant that a token is asked for");
  // Where it is the identity's own, its name is known when its binding is.
  if (!options_.TenantId.empty()) {
    CheckTenantOfRequest(request.TenantId, {options_.TenantId, options_.AdditionallyAllowedTenants});
  }
  // A bearer token for a resource that takes no other is none of those that the credential is made for.
  bool const hasKey = std::max(options_.Binding, request.Binding.value_or(TokenBinding::None)) != TokenBinding::None ||
                      options_.BearerOverMtls;
  if (options_.Attest && !hasKey) {
    throw Error{
        {errors::AttestationRequiresPop, "Attestation was asked for together with plain bearer tokens",
         "Set the token binding to \"required\" or \"preferred\" as well, or do not ask for attestation"}};
  }
  if (options_.Attest && (!attestation_ || !attestation_->IsAvailable())) throw AttestationNotAvailable();
}

AccessToken ManagedIdentityCredential::Impl::GetToken(TokenRequest const& request, Context const& context) {
  Check(request);
  auto const binding = EffectiveBinding(options_.Binding, request.Binding);
  RotateIfDue();
  if (binding == TokenBinding::Preferred) return GetPreferred(request, context);
  return tokens_.Get(request, RouteFor(binding), context);
}

std::optional<AccessToken> ManagedIdentityCredential::Impl::TryGetToken(TokenRequest const& request) {
  Check(request);
  auto const binding = EffectiveBinding(options_.Binding, request.Binding);
  RotateIfDue();
  AccessToken token;
  if (binding == TokenBinding::Preferred) {
    if (TryGetFallback(request, token)) return token;
    if (ineligible_.Contain(TenantOf(request), clock_->SteadyNow())) return std::nullopt;
  }
  if (tokens_.IsAtHand(request, RouteFor(binding), token)) return token;
  return std::nullopt;
}

void ManagedIdentityCredential::Impl::GetTokenAsync(
    TokenRequest const& request, Context const& context, Completion<AccessToken> done) {
  Check(request);
  auto const binding = EffectiveBinding(options_.Binding, request.Binding);
  RotateIfDue();
  if (binding == TokenBinding::Preferred) return GetPreferredAsync(request, context, std::move(done));
  tokens_.GetAsync(request, RouteFor(binding), context, std::move(done));
}

TokenRoute ManagedIdentityCredential::Impl::RouteFor(TokenBinding binding) const noexcept {
  if (binding != TokenBinding::None) return TokenRoute::Bound;
  return options_.BearerOverMtls ? TokenRoute::MtlsBearer : TokenRoute::ImdsBearer;
}

bool ManagedIdentityCredential::Impl::TryGetFallback(TokenRequest const& request, AccessToken& token) {
  if (!tokens_.TryGet(request, TokenRoute::Fallback, token)) return false;
  if (token.Type == TokenType::Bearer) return true;
  // A refresh of the fallback met a service that binds again.
  tokens_.Remove(request, TokenRoute::Fallback);
  return false;
}

AccessToken ManagedIdentityCredential::Impl::GetPreferred(TokenRequest const& request, Context const& context) {
  AccessToken token;
  if (TryGetFallback(request, token)) return token;
  if (ineligible_.Contain(TenantOf(request), clock_->SteadyNow())) {
    return tokens_.Get(request, TokenRoute::Fallback, context);
  }
  try {
    return tokens_.Get(request, TokenRoute::Bound, context);
  } catch (Error const& error) {
    FallBackOrRethrow(error, request, context);
  }
  return tokens_.Get(request, TokenRoute::Fallback, context);
}

void ManagedIdentityCredential::Impl::GetPreferredAsync(
    TokenRequest const& request, Context const& context, Completion<AccessToken> done) {
  AccessToken token;
  if (TryGetFallback(request, token)) {
    return DefaultExecutor()([token = std::move(token), done = std::move(done)]() mutable { done(std::move(token)); });
  }
  if (ineligible_.Contain(TenantOf(request), clock_->SteadyNow())) {
    return tokens_.GetAsync(request, TokenRoute::Fallback, context, std::move(done));
  }
  tokens_.GetAsync(
      request, TokenRoute::Bound, context,
      [this, request, context, done = std::move(done)](Outcome<AccessToken> outcome) {
        if (outcome.HasValue()) return done(std::move(outcome));
        ContinueOrTell(done, [&] {
          try {
            std::move(outcome).Take();
          } catch (Error const& error) {
            FallBackOrRethrow(error, request, context);
          }
          tokens_.GetAsync(request, TokenRoute::Fallback, context, done);
        });
      });
}

bool ManagedIdentityCredential::Impl::FallsBackAfter(Error const& error, Context const& context) const {
  // Where a probe got no answer, version 1 is behind the same address, and gives none either: the time is not spent twice.
  bool const isOfAddress = error.Code() == errors::ImdsUnavailable || error.Code() == errors::NotImds;
  return MayFallBack(error, context) && !(isOfAddress && imds_.Knowledge().HasFailed());
}

void ManagedIdentityCredential::Impl::FallBackOrRethrow(
    Error const& error, TokenRequest const& request, Context const& context) {
  if (!FallsBackAfter(error, context)) throw;
  if (error.Code() == errors::TenantNotEligibleForBoundTokens) {
    ineligible_.Add(TenantOf(request), clock_->SteadyNow());
  }
  options_.Observer.Tell(
      Severity::Warning, "token.fell_back_to_bearer",
      {{"error", error.Code().Name()},
       {"what", error.Details().What},
       {"correlation_id", error.Details().CorrelationId}});
  fallbackIsPassing_ = IsPassing(error.Code());
}

void ManagedIdentityCredential::Impl::RotateIfDue() {
  if (!bindings_.RotationIsDue(clock_->Now())) return;
  auto rotate = [this](Context const& context) {
    std::string correlationId;
    try {
      correlationId = NewUuid();
      bindings_.Rotate(correlationId, context);
    } catch (...) {
      auto const failure = Failure::Current();
      auto const& details = failure.Outermost();
      if (details.Code == errors::Cancelled) return;
      options_.Observer.Tell(
          Severity::Warning, "binding.rotation_failed",
          {{"error", details.Code.Name()}, {"what", details.What}, {"correlation_id", correlationId}});
    }
  };
  try {
    tokens_.RunInBackground(std::move(rotate));
  } catch (std::exception const& exception) {
    // No thread to be had: the token at hand is good, and the next call tries again.
    bindings_.GiveUpRotation(clock_->Now());
    options_.Observer.Tell(
        Severity::Warning, "binding.rotation_failed",
        {{"error", errors::SystemFailure.Name()}, {"what", exception.what()}, {"correlation_id", ""}});
  }
}

AccessToken ManagedIdentityCredential::Impl::Fetch(
    TokenRequest const& request, TokenRoute route, bool isRefresh, Context const& context) {
  switch (route) {
    case TokenRoute::Bound:
    case TokenRoute::MtlsBearer:
      return FetchOverMtls(request, route, context);
    case TokenRoute::Fallback:
      return FetchFallback(request, isRefresh, context);
    case TokenRoute::ImdsBearer:
      break;
  }
  return FetchBearer(request, context);
}

AccessToken ManagedIdentityCredential::Impl::FetchBearer(TokenRequest const& request, Context const& context) {
  return imds_.GetBearerToken(request.Scopes.front(), NewUuid(), context);
}

AccessToken ManagedIdentityCredential::Impl::FetchFallback(
    TokenRequest const& request, bool isRefresh, Context const& context) {
  if (isRefresh && !ineligible_.Contain(TenantOf(request), clock_->SteadyNow())) {
    try {
      return tokens_.Get(request, TokenRoute::Bound, context);
    } catch (Error const& error) {
      if (!FallsBackAfter(error, context)) throw;
    }
  }
  auto token = FetchBearer(request, context);
  token.Source = TokenSource::Fallback;
  if (fallbackIsPassing_) token.RefreshOn = std::min(token.RefreshOn, options_.Time->Now() + FallbackRetry);
  return token;
}

AccessToken ManagedIdentityCredential::Impl::FetchOverMtls(
    TokenRequest const& request, TokenRoute route, Context const& context) {
  if (settings_.BindingDisabled) {
    throw Error{
        {errors::MtlsPopDisabled,
         "Binding certificates are turned off by the environment variable MSAL_MI_DISABLE_IMDS_V2",
         "Unset the variable, or do not ask for bound tokens and bearer tokens over mutual TLS"}};
  }
  std::string const correlationId = NewUuid();
  auto binding = bindings_.Get(correlationId, context);
  auto const tenant = TenantOf(request) == binding->TenantId ? std::string{} : TenantOf(request);
  try {
    return RequestWith(*binding, request, route, correlationId, context);
  } catch (Error const& error) {
    if (error.Code() != errors::BindingRejected || life_.ReplacementIsFutile(tenant)) throw;
    options_.Observer.Tell(
        Severity::Warning, "binding.rejected",
        {{"x5t_s256", binding->Certificate->X5tS256()},
         {"service_error", error.Details().ServiceErrorCode},
         {"correlation_id", correlationId}});
    if (attestation_ && ConcernsAttestation(error.Details())) attestation_->Forget();
    life_.HearTokenService(
        binding->Certificate->X5tS256(),
        MayConcernOneTenant(error.Details()) ? std::optional<std::string_view>{request.TenantId} : std::nullopt);
  }
  // Once, with a new certificate for a new key.
  binding = bindings_.Get(correlationId, context);
  try {
    return RequestWith(*binding, request, route, correlationId, context);
  } catch (Error const& error) {
    if (error.Code() == errors::BindingRejected) life_.NoteFutileReplacement(tenant);
    throw;
  }
}

std::string const& ManagedIdentityCredential::Impl::TenantOf(TokenRequest const& request) const noexcept {
  return request.TenantId.empty() ? options_.TenantId : request.TenantId;
}

AccessToken ManagedIdentityCredential::Impl::RequestWith(
    StoredBinding const& binding,
    TokenRequest const& request,
    TokenRoute route,
    std::string const& correlationId,
    Context const& context) const {
  CheckTenantOfRequest(
      request.TenantId,
      {options_.TenantId.empty() ? binding.TenantId : options_.TenantId, options_.AdditionallyAllowedTenants});
  auto const& tenant = TenantOf(request);
  bool const isOwnTenant = tenant.empty() || tenant == binding.TenantId;
  TokenServiceRequest message;
  message.Endpoint =
      isOwnTenant && !binding.TokenEndpoint.empty()
          ? binding.TokenEndpoint
          : binding.MtlsEndpoint + "/" + PercentEncode(isOwnTenant ? binding.TenantId : tenant) + "/oauth2/v2.0/token";
  message.ClientId = binding.ClientId;
  message.Scope = request.Scopes.front();
  message.Claims = request.Claims;
  message.ClientCapabilities = options_.ClientCapabilities;
  message.IsBound = route == TokenRoute::Bound;
  message.Certificate = binding.Certificate;
  message.IsIssued = true;
  message.CorrelationId = correlationId;
  auto token = RequestToken(client_, message, context);
  token.Attested = binding.Attested && token.Binding != nullptr;
  return token;
}

ManagedIdentityCredential::ManagedIdentityCredential(ManagedIdentityCredentialOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}

ManagedIdentityCredential::~ManagedIdentityCredential() = default;

std::optional<AccessToken> ManagedIdentityCredential::TryGetToken(TokenRequest const& request) {
  return impl_->TryGetToken(request);
}

void ManagedIdentityCredential::GetTokenAsync(
    TokenRequest const& request, Context const& context, Completion<AccessToken> done) {
  StartOrTell(std::move(done), [&](auto const& told) { impl_->GetTokenAsync(request, context, told); });
}

AccessToken ManagedIdentityCredential::GetToken(TokenRequest const& request, Context const& context) {
  return OrOutOfMemory([&] { return impl_->GetToken(request, context); });
}

void ManagedIdentityCredential::ReportRefusal(
    TokenRequest const&, AccessToken const& refused, RefusalReason reason) noexcept {
  impl_->ReportRefusal(refused, reason);
}

}  // namespace mtlspop
