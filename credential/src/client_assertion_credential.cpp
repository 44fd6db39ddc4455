#include "mtlspop/credential/client_assertion_credential.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "binding_source.hpp"
#include "cached_tokens.hpp"
#include "confidential_client.hpp"
#include "mtlspop/base/per_process.hpp"
#include "mtlspop/credential/errors.hpp"
#include "replacement_limit.hpp"
#include "token_service.hpp"
#include "uuid.hpp"

namespace mtlspop {

class ClientAssertionCredential::Impl {
 public:
  explicit Impl(ClientAssertionCredentialOptions options);

  AccessToken GetToken(TokenRequest const& request, Context const& context);
  void ReportRefusal(AccessToken const& refused, RefusalReason reason) noexcept;

 private:
  AccessToken Fetch(TokenRequest const& request, TokenRoute route, Context const& context);
  AccessToken GetAssertion(AccessToken const* refused, Context const& context);
  AccessToken Exchange(
      AccessToken const& assertion, TokenRequest const& request, TokenRoute route, Context const& context) const;
  void HearRefusal(std::string const& x5tS256);

  struct State {
    /// A child of fork() goes on with what its parent knew, unless that was changing just then: it asks leg 1 then.
    explicit State(State* parents);
    std::mutex Mutex;
    /// Of the last binding that leg 1 gave, "" before and where it was refused since.
    std::string CurrentX5tS256;
  };

  ClientAssertionCredentialOptions options_;
  ConfidentialClient client_;
  PerProcess<State> state_;
  ReplacementLimit limit_;
  /// Last, so that it ends first: its jobs use all of the above.
  CachedTokens tokens_;
};

ClientAssertionCredential::Impl::Impl(ClientAssertionCredentialOptions options)
    : options_(std::move(options)),
      client_(
          options_,
          options_.ClientId,
          options_.ClientCapabilities,
          ConfidentialClient::MakeServiceClient(options_.Transport, options_.Time, options_.Log)),
      tokens_(
          "ClientAssertionCredential",
          options_.Time,
          options_.Log,
          [this](auto const& request, auto route, bool, auto const& context) { return Fetch(request, route, context); },
          [this](std::string const& x5tS256) { client_.Transport().DropConnections(x5tS256); }) {
  if (options_.Assertion) return;
  throw Error{
      {errors::InvalidArgument, "The credential has no other credential that gives it its assertion",
       "Set Assertion, for example to a ManagedIdentityCredential"}};
}

ClientAssertionCredential::Impl::State::State(State* parents) {
  if (parents == nullptr) return;
  std::unique_lock<std::mutex> const lock{parents->Mutex, std::try_to_lock};
  if (lock) CurrentX5tS256 = parents->CurrentX5tS256;
}

AccessToken ClientAssertionCredential::Impl::GetToken(TokenRequest const& request, Context const& context) {
  return GetConfidential(tokens_, options_.Binding, options_.Log, request, context);
}

void ClientAssertionCredential::Impl::ReportRefusal(AccessToken const& refused, RefusalReason reason) noexcept {
  try {
    if (reason == RefusalReason::TokenRejected || !refused.Binding) return tokens_.Refuse(refused.Token);
    HearRefusal(refused.Binding->X5tS256());
  } catch (std::exception const& exception) {
    options_.Log.Write(LogLevel::Warning, "refusal_not_heard", {{"what", exception.what()}});
  }
}

/// The binding is leg 1's: it is told when it gives it again, and counts refusals for itself.
void ClientAssertionCredential::Impl::HearRefusal(std::string const& x5tS256) {
  bool isCurrent = false;
  {
    auto& state = state_.Get();
    std::lock_guard<std::mutex> const lock{state.Mutex};
    isCurrent = state.CurrentX5tS256 == x5tS256;
    if (isCurrent && limit_.Hear(x5tS256, options_.Time->SteadyNow()) == ReplacementLimit::Verdict::TooSoon) {
      options_.Log.Write(LogLevel::Warning, "binding_refused_again", {{"x5t_s256", x5tS256}});
      return;
    }
    if (isCurrent) state.CurrentX5tS256.clear();
  }
  // Tokens that are under way with it must not come into the cache later.
  if (isCurrent) tokens_.Reject(x5tS256);
  if (!isCurrent) tokens_.Forget(x5tS256);
}

AccessToken ClientAssertionCredential::Impl::Fetch(
    TokenRequest const& request, TokenRoute route, Context const& context) {
  auto assertion = GetAssertion(nullptr, context);
  if (auto const x5tS256 = assertion.Binding->X5tS256(); tokens_.IsRejected(x5tS256)) {
    assertion = GetAssertion(&assertion, context);
  }
  try {
    return Exchange(assertion, request, route, context);
  } catch (Error const& error) {
    if (error.Code() != errors::BindingRejected) throw;
    auto const x5tS256 = assertion.Binding->X5tS256();
    if (MayConcernOneTenant(error.Details())) {
      tokens_.Withdraw(request.TenantId, x5tS256);
    } else {
      tokens_.Forget(x5tS256);
    }
  }
  // Once, with another certificate of leg 1.
  assertion = GetAssertion(&assertion, context);
  return Exchange(assertion, request, route, context);
}

AccessToken ClientAssertionCredential::Impl::GetAssertion(AccessToken const* refused, Context const& context) {
  TokenRequest leg1;
  leg1.Scopes = {options_.AssertionScope};
  leg1.Binding = TokenBinding::Required;
  if (refused) options_.Assertion->ReportRefusal(leg1, *refused, RefusalReason::BindingNoLongerGood);
  auto assertion = options_.Assertion->GetToken(leg1, context);
  if (assertion.Binding) {
    std::string const x5tS256{assertion.Binding->X5tS256()};
    // It knows of the refusal and has no other, as an application with one certificate.
    if (refused && x5tS256 == refused->Binding->X5tS256()) tokens_.Readmit(x5tS256);
    auto& state = state_.Get();
    std::lock_guard<std::mutex> const lock{state.Mutex};
    state.CurrentX5tS256 = x5tS256;
    return assertion;
  }
  throw Error{
      {errors::TokenTypeMismatch,
       "The credential " + std::string{options_.Assertion->Name()} +
           " gave a bearer token where a bound one was required",
       "Use a credential of this library for the first leg, or one that honours TokenRequest::Binding"}};
}

AccessToken ClientAssertionCredential::Impl::Exchange(
    AccessToken const& assertion, TokenRequest const& request, TokenRoute route, Context const& context) const {
  ConfidentialRequest const message{assertion.Binding, assertion.Token, NewUuid()};
  auto token = client_.RequestToken(message, request, route, context);
  if (token.Binding) {
    token.Attested = assertion.Attested;
    // Leg 1 rotates its certificate by itself: follow it before the one at hand ends.
    token.RefreshOn = std::min(token.RefreshOn, RotateOn(options_.Time->Now(), token.Binding->NotAfter()));
  }
  return token;
}

ClientAssertionCredential::ClientAssertionCredential(ClientAssertionCredentialOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}

ClientAssertionCredential::~ClientAssertionCredential() = default;

AccessToken ClientAssertionCredential::GetToken(TokenRequest const& request, Context const& context) {
  return impl_->GetToken(request, context);
}

void ClientAssertionCredential::ReportRefusal(
    TokenRequest const&, AccessToken const& refused, RefusalReason reason) noexcept {
  impl_->ReportRefusal(refused, reason);
}

}  // namespace mtlspop
