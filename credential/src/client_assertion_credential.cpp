#include "mtlspop/credential/client_assertion_credential.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "binding_life.hpp"
#include "binding_source.hpp"
#include "cached_tokens.hpp"
#include "confidential_client.hpp"
#include "failure.hpp"
#include "mtlspop/base/per_process.hpp"
#include "mtlspop/base/uuid.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/required.hpp"
#include "tell_failure.hpp"
#include "token_service.hpp"

namespace mtlspop {
namespace {

/// Whose events these are.
ClientAssertionCredentialOptions NamedOptions(ClientAssertionCredentialOptions options) {
  options.Observer = options.Observer.With(
      {{"credential", "ClientAssertionCredential"},
       {"identity", "client_id=" + options.ClientId},
       {"tenant", options.TenantId}});
  return options;
}

}  // namespace

class ClientAssertionCredential::Impl {
 public:
  explicit Impl(ClientAssertionCredentialOptions options);

  /// What tokens come from, for a call that begins.
  ConfidentialTokens Source();
  void ReportRefusal(AccessToken const& refused, RefusalReason reason) noexcept;

 private:
  AccessToken Fetch(TokenRequest const& request, TokenRoute route, Context const& context);
  AccessToken GetAssertion(Context const& context);
  TokenRequest AssertionRequest() const;
  AccessToken LastAssertion() const;
  AccessToken Exchange(
      AccessToken const& assertion, TokenRequest const& request, TokenRoute route, Context const& context) const;

  struct State {
    /// A child of fork() goes on with what its parent knew, unless that was changing just then: it asks leg 1 then.
    explicit State(State* parents);
    std::mutex Mutex;
    /// What leg 1 gave last.
    AccessToken Assertion;
  };

  ClientAssertionCredentialOptions options_;
  ConfidentialClient client_;
  PerProcess<State> state_;
  TokenCache cache_{RandomOr(options_.Random)};
  BindingLife life_;
  IneligibleTenants ineligible_{RandomOr(options_.Random)};
  /// Last, so that it ends first: its jobs use all of the above.
  CachedTokens tokens_;
};

ClientAssertionCredential::Impl::Impl(ClientAssertionCredentialOptions options)
    : options_(NamedOptions(std::move(options))),
      client_(
          options_,
          options_.ClientId,
          options_.ClientCapabilities,
          ConfidentialClient::MakeServiceClient(
              options_.Transport,
              Required(options_.Time, "ClientAssertionCredentialOptions::Time"),
              RandomOr(options_.Random),
              options_.Observer)),
      life_(
          {BindingSupply::Renewable, *options_.Time, RandomOr(options_.Random), options_.Observer,
           [this](std::string const& x5tS256) { client_.Transport().DropConnections(x5tS256); }},
          cache_),
      tokens_(
          options_.Time,
          options_.Observer,
          cache_,
          life_,
          [this](auto const& request, auto route, bool, auto const& context) {
            return Fetch(request, route, context);
          }) {
  if (options_.Assertion) return;
  throw Error{
      {errors::InvalidArgument, "The credential has no other credential that gives it its assertion",
       "Set Assertion, for example to a ManagedIdentityCredential"}};
}

ClientAssertionCredential::Impl::State::State(State* parents) {
  if (parents == nullptr) return;
  std::unique_lock<std::mutex> const lock{parents->Mutex, std::try_to_lock};
  if (lock) Assertion = parents->Assertion;
}

ConfidentialTokens ClientAssertionCredential::Impl::Source() {
  return {client_, tokens_, ineligible_, options_.Binding, *options_.Time, options_.Observer};
}

/// The binding is leg 1's, which counts refusals for itself.
void ClientAssertionCredential::Impl::ReportRefusal(AccessToken const& refused, RefusalReason reason) noexcept {
  if (!life_.Hear(refused, reason)) return;
  try {
    auto const assertion = LastAssertion();
    if (!assertion.Binding || assertion.Binding->X5tS256() != refused.Binding->X5tS256()) return;
    options_.Assertion->ReportRefusal(AssertionRequest(), assertion, reason);
  } catch (std::exception const& exception) {
    options_.Observer.Tell(Severity::Warning, "binding.refusal_not_heard", {{"what", exception.what()}});
  }
}

AccessToken ClientAssertionCredential::Impl::LastAssertion() const {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  return state.Assertion;
}

AccessToken ClientAssertionCredential::Impl::Fetch(
    TokenRequest const& request, TokenRoute route, Context const& context) {
  auto assertion = GetAssertion(context);
  try {
    return Exchange(assertion, request, route, context);
  } catch (Error const& error) {
    if (error.Code() != errors::BindingRejected) throw;
    life_.HearTokenService(
        assertion.Binding->X5tS256(),
        MayConcernOneTenant(error.Details()) ? std::optional<std::string_view>{request.TenantId} : std::nullopt);
    options_.Assertion->ReportRefusal(AssertionRequest(), assertion, RefusalReason::BindingNoLongerGood);
  }
  // Once, with another certificate of leg 1.
  assertion = GetAssertion(context);
  return Exchange(assertion, request, route, context);
}

/// What leg 1 gives after it was told of a refusal is the current binding, the same as before or not: it knows best.
AccessToken ClientAssertionCredential::Impl::GetAssertion(Context const& context) {
  auto const request = AssertionRequest();
  for (;;) {
    auto const moment = life_.Moment();
    auto assertion = options_.Assertion->GetToken(request, context);
    if (!assertion.Binding) {
      throw Error{
          {errors::TokenTypeMismatch,
           "The credential " + std::string{options_.Assertion->Name()} +
               " gave a bearer token where a bound one was required",
           "Use a credential of this library for the first leg, or one that honours TokenRequest::Binding"}};
    }
    {
      auto& state = state_.Get();
      std::lock_guard<std::mutex> const lock{state.Mutex};
      state.Assertion = assertion;
    }
    if (life_.AdoptUnlessRefusedSince(moment, assertion.Binding->X5tS256())) return assertion;
    // It was refused while leg 1 was being asked, which may not have known.
    options_.Assertion->ReportRefusal(request, assertion, RefusalReason::BindingNoLongerGood);
  }
}

TokenRequest ClientAssertionCredential::Impl::AssertionRequest() const {
  TokenRequest request;
  request.Scopes = {options_.AssertionScope};
  request.Binding = TokenBinding::Required;
  return request;
}

AccessToken ClientAssertionCredential::Impl::Exchange(
    AccessToken const& assertion, TokenRequest const& request, TokenRoute route, Context const& context) const {
  ConfidentialRequest const message{assertion.Binding, assertion.Token, NewUuid()};
  auto token = client_.RequestToken(message, request, route, context);
  if (token.Binding) {
    token.Attested = assertion.Attested;
    // Leg 1 rotates its certificate by itself: follow it before the one at hand ends.
    token.RefreshOn = std::min(token.RefreshOn, RotationDueOn(options_.Time->Now(), token.Binding->NotAfter()));
  }
  return token;
}

ClientAssertionCredential::ClientAssertionCredential(ClientAssertionCredentialOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}

ClientAssertionCredential::~ClientAssertionCredential() = default;

AccessToken ClientAssertionCredential::GetToken(TokenRequest const& request, Context const& context) {
  return OrOutOfMemory([&] { return GetConfidential(impl_->Source(), request, context); });
}

std::optional<AccessToken> ClientAssertionCredential::TryGetToken(TokenRequest const& request) {
  return TryGetConfidential(impl_->Source(), request);
}

void ClientAssertionCredential::GetTokenAsync(
    TokenRequest const& request, Context const& context, Completion<AccessToken> done) {
  StartOrTell(
      std::move(done), [&](auto const& told) { GetConfidentialAsync(impl_->Source(), request, context, told); });
}

void ClientAssertionCredential::ReportRefusal(
    TokenRequest const&, AccessToken const& refused, RefusalReason reason) noexcept {
  impl_->ReportRefusal(refused, reason);
}

}  // namespace mtlspop
