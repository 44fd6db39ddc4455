#include "mtlspop/policies/bound_call.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "call_failures.hpp"
#include "known_resource.hpp"
#include "mtlspop/base/saturated_time.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/policies/binding_verdict.hpp"
#include "mtlspop/transport/redact.hpp"
#include "mtlspop/transport/request.hpp"
#include "refused_tokens.hpp"
#include "resource_challenge.hpp"
#include "retry_budget.hpp"

namespace mtlspop {
namespace {

using Step = BoundCall::Step;

constexpr int MostRetries = 100;

BoundCallOptions Checked(BoundCallOptions options) {
  auto& retry = options.Retry;
  if (retry.MaximumRetries < 0 || retry.MaximumRetries > MostRetries || retry.InitialDelay.count() < 0 ||
      retry.MaximumDelay.count() < 0 || retry.MaximumRetryAfter.count() < 0) {
    throw Error{
        {errors::InvalidArgument, "The retry options are out of range",
         "Set RetryOptions::MaximumRetries to a number from 0 to 100, and the delays to 0 or more"}};
  }
  for (auto* const time : {&retry.InitialDelay, &retry.MaximumDelay, &retry.MaximumRetryAfter}) {
    *time = AtMostTenYears(*time);
  }
  return options;
}

std::shared_ptr<TokenRequest const> ToRequest(BoundCallOptions const& options) {
  TokenRequest request;
  request.Scopes = options.Scopes;
  request.TenantId = options.TenantId;
  request.Binding = options.Binding;
  return std::make_shared<TokenRequest const>(std::move(request));
}

std::exception_ptr CauseOf(Error const& error) {
  auto const* const nested = dynamic_cast<std::nested_exception const*>(&error);
  return nested == nullptr ? nullptr : nested->nested_ptr();
}

bool IsRedirect(CallAnswer const& answer) noexcept {
  auto const status = answer.StatusCode;
  auto const isRedirect = (status >= 301 && status <= 303) || status == 307 || status == 308;
  return isRedirect && answer.Fields.Contains("Location");
}

// Whether the token was not what kept the other side from doing what was asked.
bool ShowsThatTokenWasTaken(int status) noexcept {
  return status < 500 && status != 401 && status != 408 && status != 429;
}

bool Allows(std::vector<std::string> const& tenants, std::string_view tenant) noexcept {
  return std::any_of(tenants.begin(), tenants.end(), [tenant](std::string const& allowed) {
    return allowed == "*" || EqualsIgnoreCase(allowed, tenant);
  });
}

// Whether a request may be sent without its token, to be told what token is wanted (RFC 9110 section 9.2.1).
bool IsSafe(CallTarget const& target) noexcept {
  return !target.HasBody && (target.Method == "GET" || target.Method == "HEAD" || target.Method == "OPTIONS");
}

// Of the hosts that are known, the one that has another host beside it for bound tokens.
bool NeverAsksForCertificate(Url const& target) noexcept {
  std::string_view host = target.Host();
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  return host == "graph.microsoft.com";
}

// What a token was asked for: decides what a token that is no better than the one before means.
enum class Purpose {
  Attempt,
  FollowChallenge,
  AnswerClaims,
  ReplaceToken,
  ReplaceBinding,
  FallBackToBearer,
  BindAgain,
};

}  // namespace

BoundCallSettings::BoundCallSettings(BoundCallOptions options, std::shared_ptr<ResourceMemory> memory)
    : Options(Checked(std::move(options))),
      Wanted(ToRequest(Options)),
      Memory(memory ? std::move(memory) : std::make_shared<ResourceMemory>(Options.Memory)) {}

void BoundCall::WaitForAnotherCall::Until(Context const& context) const { Resource->WaitForTurn(context); }

void BoundCall::WaitForAnotherCall::UntilAsync(Context const& context, Completion<void> done) const {
  Resource->WaitForTurnAsync(
      context, [resource = Resource, done = std::move(done)](Outcome<void> outcome) { done(std::move(outcome)); });
}

void BoundCall::Fail::Throw() const {
  if (!Cause) throw What;
  try {
    std::rethrow_exception(Cause);
  } catch (...) {
    std::throw_with_nested(What);
  }
}

class BoundCall::State final {
 public:
  State(std::shared_ptr<BoundCallSettings const> settings, CallTarget target, Context::TimePoint deadline)
      : settings_(std::move(settings)),
        target_(std::move(target)),
        isIdempotent_(IsIdempotent(target_.Method)),
        budget_(settings_->Options, deadline) {}

  Step Start(std::shared_ptr<TokenRequest const> wanted, CallTime now, bool isAnotherWanted) {
    isAnotherWanted_ = isAnotherWanted;
    needsRewind_ = false;
    isAnswerHeld_ = false;
    failure_.reset();
    if (!target_.Target.IsHttps()) return failures::NotHttps(target_.Target);
    configured_ = wanted ? std::move(wanted) : settings_->Wanted;
    boundGoElsewhere_ = NeverAsksForCertificate(target_.Target);
    if (boundGoElsewhere_ && configured_->Binding == TokenBinding::Required) {
      return failures::BoundTokensGoElsewhere(target_.Target);
    }
    learns_ = configured_->Scopes.empty();
    wanted_ = learns_ ? nullptr : configured_;
    known_ = settings_->Memory->Find(target_.Target.GetOrigin());
    return Attempt(now);
  }

  Step TokenObtained(AccessToken token, CallTime now) {
    needsRewind_ = false;
    auto const isBearer = token.Type == TokenType::Bearer;
    if (!isBearer && !token.Binding) return failures::WithoutBinding(target_.Target);
    if (isBearer && asked_->Binding == TokenBinding::Required) return failures::NotBound(target_.Target);
    if (!isBearer && boundGoElsewhere_) return failures::BoundTokensGoElsewhere(target_.Target);
    if (isBearer && purpose_ == Purpose::BindAgain) return failures::BearerNotTaken(target_.Target);
    if (!isBearer && purpose_ == Purpose::FallBackToBearer) return failures::BoundNotTaken(target_.Target);
    if (IsNoBetter(token)) return InPlaceOf(token, now);
    if (std::exchange(isAnotherWanted_, false) && Known().HasRefused(token) &&
        Known().TakeExtraToken(ExtraToken::InsteadOfRejected, now.Steady)) {
      return Ask(asked_, Purpose::ReplaceToken, Refusal{asked_, token, RefusalReason::TokenRejected});
    }
    auto const isPreferred = wanted_->Binding == TokenBinding::Preferred;
    if (purpose_ == Purpose::FallBackToBearer || (isBearer && boundGoElsewhere_ && isPreferred)) LogFallback();
    token_ = std::move(token);
    tokenRequest_ = asked_;
    return SendToken();
  }

  Step TokenFailed(Error const& error, CallTime now) {
    needsRewind_ = false;
    Fail failure{error, CauseOf(error)};
    if (auto const wait = budget_.AfterTokenFailure(error, now)) {
      afterWait_ = AfterWait::SameToken;
      before_ = error.what();
      return WaitFor(*wait, error.Code().Name());
    }
    return AfterOthers(std::move(failure));
  }

  Step Answered(CallAnswer const& answer, CallTime now) {
    isAnswerHeld_ = true;
    failure_.reset();
    try {
      if (isQuestion_) return QuestionAnswered(answer, now);
      if (IsBound() && IsRedirect(answer)) return failures::Redirected(target_.Target, answer.StatusCode);
      if (answer.StatusCode == 401) return Unauthorized(answer, now);
    } catch (Error const& error) {
      return Fail{error, CauseOf(error)};
    }
    if (ShowsThatTokenWasTaken(answer.StatusCode)) NoteThatTokenWasTaken(now);
    if (auto const wait = budget_.AfterAnswer(answer, isIdempotent_, now)) return WaitAfter(answer, *wait);
    return Deliver{};
  }

  Step SendFailed(Error const& error, CallTime now) {
    isAnswerHeld_ = false;
    failure_ = Fail{error, CauseOf(error)};
    if (isQuestion_) EndQuestion();
    // Either way a new certificate, for a new key, is what can help.
    auto const isRefused = error.Code() == errors::BindingCertificateRejected;
    auto const isUnusable = error.Code() == errors::PrivateKeyUnusable;
    if (IsBound() && (isRefused || isUnusable)) {
      return ReplaceBinding(isRefused ? RefusalReason::BindingNoLongerGood : RefusalReason::PrivateKeyUnusable, now);
    }
    if (auto const wait = budget_.AfterFailure(error, isIdempotent_ || wasQuestion_, now)) {
      before_ = error.what();
      return WaitFor(*wait, error.Code().Name());
    }
    return Result();
  }

  Step Waited(CallTime now) {
    needsRewind_ = false;
    isAnswerHeld_ = false;
    if (std::exchange(afterWait_, AfterWait::NewAttempt) == AfterWait::SameToken) return GetToken{asked_, {}};
    return Attempt(now);
  }

  bool NeedsRewind() const noexcept { return needsRewind_; }

  Step CannotRewind() {
    needsRewind_ = false;
    return Result();
  }

  bool WantsBody(int statusCode) const noexcept { return statusCode == 401 && !isQuestion_; }
  bool IsChallengeAnswered() const noexcept { return isChallengeAnswered_; }
  bool WasRefused(AccessToken const& token) const noexcept { return refused_.Holds(token); }

 private:
  enum class AfterWait { NewAttempt, SameToken };

  bool IsBound() const noexcept { return !isQuestion_ && token_ && token_->Type == TokenType::MtlsPop; }

  KnownResource& Known() {
    if (!known_) known_ = settings_->Memory->Of(target_.Target.GetOrigin());
    return *known_;
  }

  // The answer or the error that is there, for want of anything better to do.
  Step Result() const {
    if (isAnswerHeld_) return Deliver{};
    if (!failure_) return failures::Refused(target_.Target);
    if (sends_ < 2) return AfterOthers(*failure_);
    auto details = failure_->What.Details();
    details.What += " (" + std::to_string(sends_) + " attempts)";
    details.Attempts = sends_;
    return AfterOthers({Error{std::move(details)}, failure_->Cause});
  }

  // Where time ran out, what it was spent on matters more than the step that had begun.
  Fail AfterOthers(Fail failure) const {
    if (failure.What.Code() != errors::DeadlineExceeded || before_.empty()) return failure;
    auto details = failure.What.Details();
    details.What += "; the attempt before ended with " + before_;
    return {Error{std::move(details)}, failure.Cause};
  }

  // --- Asking for tokens

  Step Attempt(CallTime now) {
    if (!wanted_) {
      if (auto step = AskTheResource()) return std::move(*step);
    }
    return Ask(RequestOfThisCall(now), Purpose::Attempt);
  }

  // What to ask for, after all that this call and others have learned.
  std::shared_ptr<TokenRequest const> RequestOfThisCall(CallTime now) const {
    auto binding = wanted_->Binding;
    if (binding_) {
      binding = *binding_;
    } else if (binding != TokenBinding::Required && TakesOnlyBearer(now)) {
      binding = TokenBinding::None;
    }
    return With(wanted_, binding);
  }

  bool TakesOnlyBearer(CallTime now) const noexcept {
    return boundGoElsewhere_ || (known_ && known_->TakesOnlyBearer(now.Steady));
  }

  static std::shared_ptr<TokenRequest const> With(
      std::shared_ptr<TokenRequest const> const& request, std::optional<TokenBinding> binding) {
    if (request->Binding == binding) return request;
    auto changed = std::make_shared<TokenRequest>(*request);
    changed->Binding = binding;
    return changed;
  }

  Step Ask(
      std::shared_ptr<TokenRequest const> request, Purpose purpose, std::optional<Refusal> refusal = std::nullopt) {
    RequireRewind();
    purpose_ = purpose;
    asked_ = std::move(request);
    return GetToken{asked_, std::move(refusal)};
  }

  bool IsNoBetter(AccessToken const& token) const noexcept {
    if (refused_.Holds(token)) return true;
    auto const isSameBinding = token.Binding && token.Binding->X5tS256() == refusedX5tS256_;
    return purpose_ == Purpose::ReplaceBinding && isSameBinding;
  }

  // The credential gave what was refused already.
  Step InPlaceOf(AccessToken const& token, CallTime now) {
    auto const fits = token_ && tokenRequest_->Scopes == asked_->Scopes && tokenRequest_->TenantId == asked_->TenantId;
    if (purpose_ == Purpose::Attempt && fits) return SendToken();
    auto const maySay = purpose_ == Purpose::Attempt || purpose_ == Purpose::FollowChallenge;
    if (maySay && Known().TakeExtraToken(ExtraToken::InsteadOfRejected, now.Steady)) {
      return Ask(asked_, Purpose::ReplaceToken, Refusal{asked_, token, RefusalReason::TokenRejected});
    }
    return Result();
  }

  Step SendToken() {
    isQuestion_ = false;
    wasQuestion_ = false;
    isAnswerHeld_ = false;
    isBodySent_ = target_.HasBody;
    return Send{token_, false, ++sends_};
  }

  void RequireRewind() noexcept { needsRewind_ = std::exchange(isBodySent_, false); }

  Step WaitFor(std::chrono::milliseconds wait, std::string_view reason) {
    RequireRewind();
    settings_->Options.Observer.Tell(
        Severity::Info, "request.retried",
        {{"method", target_.Method},
         {"host", target_.Target.Host()},
         {"reason", reason},
         {"attempt", sends_},
         {"wait_ms", static_cast<std::int64_t>(wait.count())}});
    return Wait{wait};
  }

  Step WaitAfter(CallAnswer const& answer, std::chrono::milliseconds wait) {
    auto const status = std::to_string(answer.StatusCode);
    before_ = "status " + status;
    return WaitFor(wait, status);
  }

  // --- Where nobody gave the scopes

  // Nothing where the resource has said already what it wants.
  std::optional<Step> AskTheResource() {
    auto& known = Known();
    if ((wanted_ = known.Wanted())) return std::nullopt;
    if (!known.IsOpen()) {
      turn_ = known.TryTakeTurn();
      if (!turn_) return WaitForAnotherCall{known_};
      if ((wanted_ = known.Wanted())) {
        turn_.reset();
        return std::nullopt;
      }
    }
    isQuestion_ = true;
    isAnswerHeld_ = false;
    if (known.IsOpen() && IsSafe(target_)) ++sends_;
    return Send{std::nullopt, !IsSafe(target_), std::max(sends_, 1)};
  }

  void EndQuestion() noexcept {
    isQuestion_ = false;
    wasQuestion_ = true;
    turn_.reset();
  }

  Step QuestionAnswered(CallAnswer const& answer, CallTime now) {
    auto const turn = std::move(turn_);
    EndQuestion();
    auto const status = answer.StatusCode;
    if (status == 401) {
      auto const challenge = FindResourceChallenge(ReadChallenges(answer.Fields), target_.Target);
      if (!challenge) return failures::ScopesUnknown(target_.Target, status);
      wanted_ = Answering(*challenge);
      Known().SetWanted(wanted_);
      return Ask(RequestOfThisCall(now), Purpose::Attempt);
    }
    if (auto const wait = budget_.AfterAnswer(answer, true, now)) return WaitAfter(answer, *wait);
    auto const mayDoBetterLater = status == 429 || status >= 500;
    if (!IsSafe(target_) && !mayDoBetterLater) return failures::ScopesUnknown(target_.Target, status);
    if (status < 400) Known().SetOpen();
    return Deliver{};
  }

  std::shared_ptr<TokenRequest const> Answering(ResourceChallenge const& challenge) const {
    auto wanted = std::make_shared<TokenRequest>(*configured_);
    wanted->Scopes = {challenge.Scope};
    auto const& options = settings_->Options;
    auto const isOther = !EqualsIgnoreCase(challenge.TenantId, wanted->TenantId) && !challenge.TenantId.empty();
    if (wanted->TenantId.empty() || (isOther && Allows(options.AdditionallyAllowedTenants, challenge.TenantId))) {
      wanted->TenantId = challenge.TenantId;
    } else if (isOther) {
      options.Observer.Tell(
          Severity::Warning, "request.tenant_not_allowed",
          {{"host", target_.Target.Host()},
           {"tenant", challenge.TenantId},
           {"what", "where it is right, add it to AdditionallyAllowedTenants"}});
    }
    return wanted;
  }

  // --- Refusals

  Step Unauthorized(CallAnswer const& answer, CallTime now) {
    auto const verdict = ReadBindingVerdict(answer.Body);
    isChallengeAnswered_ = verdict != BindingVerdict::None;
    if (!IsBound()) {
      Refuse();
      return verdict == BindingVerdict::BearerNotTaken ? BindAgain(now) : AnswerChallenge(answer, now);
    }
    switch (verdict) {
      case BindingVerdict::CheckFailed:
        return RepeatCheck(answer, now);
      case BindingVerdict::CertificateMissing:
        LogMissingCertificate(answer);
        return Deliver{};
      case BindingVerdict::NotSupported:
        Refuse();
        return FallBackToBearer(now);
      case BindingVerdict::NoLongerGood:
        return ReplaceBinding(RefusalReason::BindingNoLongerGood, now);
      case BindingVerdict::BearerNotTaken:
      case BindingVerdict::None:
        break;
    }
    Refuse();
    return AnswerChallenge(answer, now);
  }

  Refusal Refuse(RefusalReason reason = RefusalReason::TokenRejected) {
    settings_->Options.Observer.Tell(
        Severity::Info, "request.refused",
        {{"host", target_.Target.Host()},
         {"reason", ToString(reason)},
         {"type", ToString(token_->Type)},
         {"x5t_s256", token_->Binding ? std::string_view{token_->Binding->X5tS256()} : std::string_view{}}});
    refused_.Add(*token_);
    Known().NoteRefused(*token_);
    Refusal refusal{tokenRequest_, std::move(*token_), reason};
    token_.reset();
    refusal_ = refusal;
    return refusal;
  }

  Step RepeatCheck(CallAnswer const& answer, CallTime now) {
    auto const wait = budget_.AfterFailedCheck(answer, now);
    if (!wait) return Deliver{};
    binding_ = TokenBinding::Required;
    return WaitFor(*wait, "binding_check_failed");
  }

  Step ReplaceBinding(RefusalReason reason, CallTime now) {
    auto refusal = Refuse(reason);
    if (std::exchange(isBindingReplaced_, true)) return Result();
    // A token of another generation may be good with the same certificate; after a failed handshake it is not.
    refusedX5tS256_ = failure_ ? refusal.Token.Binding->X5tS256() : std::string{};
    settings_->Options.Observer.Tell(
        Severity::Warning, "binding.replaced",
        {{"host", target_.Target.Host()}, {"x5t_s256", refusal.Token.Binding->X5tS256()}});
    return Ask(RequestOfThisCall(now), Purpose::ReplaceBinding, std::move(refusal));
  }

  // For a resource that takes no bound tokens, where they are only preferred. A credential that they are required of gives
  // no other all the same.
  Step FallBackToBearer(CallTime now) {
    auto const isAsked = refusal_->Request->Binding == TokenBinding::None;
    auto const mayNot = wanted_->Binding == TokenBinding::Required || binding_ == std::optional{TokenBinding::Required};
    if (isAsked || mayNot || Known().TakesOnlyBound(now.Steady)) return failures::BoundNotTaken(target_.Target);
    binding_ = TokenBinding::None;
    isFallenBack_ = true;
    return Ask(RequestOfThisCall(now), Purpose::FallBackToBearer);
  }

  // For a resource that was remembered to take bearer tokens only, and takes bound ones only.
  Step BindAgain(CallTime now) {
    Known().SetTakesOnlyBound(now.Steady);
    auto const isOnlyRemembered = !isFallenBack_ && refusal_->Request->Binding != wanted_->Binding;
    if (!isOnlyRemembered) return failures::BearerNotTaken(target_.Target);
    return Ask(RequestOfThisCall(now), Purpose::BindAgain);
  }

  // With what the challenge asks for, where that is something else than what was used; otherwise the answer stands.
  Step AnswerChallenge(CallAnswer const& answer, CallTime now) {
    auto const challenges = ReadChallenges(answer.Fields);
    if (auto claims = FindClaims(challenges); !claims.empty()) return AnswerClaims(std::move(claims), now);
    if (auto other = WantedInstead(challenges)) return FollowChallenge(std::move(other), now);
    return SaysThatTokenIsInvalid(challenges) ? ReplaceToken(now) : Deliver{};
  }

  // Null where the resource names the scope and tenant that were used, or none.
  std::shared_ptr<TokenRequest const> WantedInstead(std::vector<AuthenticationChallenge> const& challenges) const {
    if (!learns_) return nullptr;
    auto const challenge = FindResourceChallenge(challenges, target_.Target);
    if (!challenge) return nullptr;
    auto other = Answering(*challenge);
    auto const isSame = other->Scopes == wanted_->Scopes && other->TenantId == wanted_->TenantId;
    return isSame ? nullptr : std::move(other);
  }

  Step FollowChallenge(std::shared_ptr<TokenRequest const> other, CallTime now) {
    if (std::exchange(isChallengeFollowed_, true)) return Deliver{};
    if (!Known().TakeExtraToken(ExtraToken::ForAnotherScopeOrTenant, now.Steady)) return Deliver{};
    wanted_ = std::move(other);
    Known().SetWanted(wanted_);
    return Ask(RequestOfThisCall(now), Purpose::FollowChallenge);
  }

  // Beyond the limit the credential may have a better token all the same, which another call has got.
  Step AnswerClaims(std::string claims, CallTime now) {
    isChallengeAnswered_ = true;
    if (std::exchange(areClaimsAnswered_, true)) return Deliver{};
    auto request = RequestOfThisCall(now);
    if (Known().TakeExtraToken(ExtraToken::ForClaims, now.Steady)) {
      auto withClaims = std::make_shared<TokenRequest>(*request);
      withClaims->Claims = std::move(claims);
      request = std::move(withClaims);
    }
    return Ask(std::move(request), Purpose::AnswerClaims);
  }

  Step ReplaceToken(CallTime now) {
    if (std::exchange(isTokenReplaced_, true)) return Deliver{};
    auto const mayAsk = Known().TakeExtraToken(ExtraToken::InsteadOfRejected, now.Steady);
    return Ask(RequestOfThisCall(now), Purpose::ReplaceToken, mayAsk ? refusal_ : std::nullopt);
  }

  // --- What others learn from this call

  void NoteThatTokenWasTaken(CallTime now) {
    if (IsBound()) {
      if (known_) known_->NoteBoundSuccess();
    } else if (isFallenBack_) {
      Known().SetTakesOnlyBearer(now.Steady);
    }
  }

  void LogFallback() const {
    settings_->Options.Observer.Tell(
        Severity::Warning, "token.fell_back_to_bearer",
        {{"host", target_.Target.Host()}, {"error", errors::ResourceDoesNotSupportBoundTokens.Name()}});
  }

  void LogMissingCertificate(CallAnswer const& answer) const {
    settings_->Options.Observer.Tell(
        Severity::Error, "request.certificate_did_not_arrive",
        {{"host", target_.Target.Host()},
         {"x5t_s256", token_->Binding->X5tS256()},
         {"connection", answer.Connection ? static_cast<std::int64_t>(answer.Connection->Id) : std::int64_t{0}},
         {"tls", answer.Connection ? std::string_view{answer.Connection->TlsVersion} : std::string_view{}},
         {"what",
          "something between ends TLS, or the origin is set to TLS 1.3 without asking for a certificate there"}});
  }

  std::shared_ptr<BoundCallSettings const> settings_;
  CallTarget target_;
  bool isIdempotent_;
  RetryBudget budget_;
  std::shared_ptr<KnownResource> known_;
  KnownResource::Turn turn_ = KnownResource::NoTurn();

  // Whether the host takes bearer tokens only, whatever it answers.
  bool boundGoElsewhere_ = false;

  // What is asked for: as configured; with scope and tenant of the resource's own, null until they are known.
  bool learns_ = false;
  std::shared_ptr<TokenRequest const> configured_;
  std::shared_ptr<TokenRequest const> wanted_;
  // What this call has learned about the kind of token, in place of what is configured or remembered.
  std::optional<std::optional<TokenBinding>> binding_;

  std::shared_ptr<TokenRequest const> asked_;
  Purpose purpose_ = Purpose::Attempt;
  AfterWait afterWait_ = AfterWait::NewAttempt;

  // The token that is sent, none where the last one was refused, and what it was asked for with.
  std::optional<AccessToken> token_;
  std::shared_ptr<TokenRequest const> tokenRequest_;
  RefusedTokens refused_;
  std::optional<Refusal> refusal_;
  std::string refusedX5tS256_;

  // What is done once.
  bool isBindingReplaced_ = false;
  bool isTokenReplaced_ = false;
  bool areClaimsAnswered_ = false;
  bool isChallengeFollowed_ = false;
  bool isFallenBack_ = false;

  // What a framework above wants and may see.
  bool isAnotherWanted_ = false;
  bool isChallengeAnswered_ = false;

  // What is on its way, and what came back.
  bool isQuestion_ = false;
  bool wasQuestion_ = false;
  bool isBodySent_ = false;
  bool needsRewind_ = false;
  bool isAnswerHeld_ = false;
  std::optional<Fail> failure_;
  int sends_ = 0;
  // What ended the attempt before this one, "" where there was none.
  std::string before_;
};

BoundCall::BoundCall(std::shared_ptr<BoundCallSettings const> settings, CallTarget target, Context::TimePoint deadline)
    : state_(std::make_unique<State>(std::move(settings), std::move(target), deadline)) {}

BoundCall::~BoundCall() = default;

Step BoundCall::Start(CallTime now) { return state_->Start(nullptr, now, false); }

Step BoundCall::Start(TokenRequest wanted, CallTime now, bool isAnotherWanted) {
  return state_->Start(std::make_shared<TokenRequest const>(std::move(wanted)), now, isAnotherWanted);
}

Step BoundCall::TokenObtained(AccessToken token, CallTime now) { return state_->TokenObtained(std::move(token), now); }
Step BoundCall::TokenFailed(Error const& error, CallTime now) { return state_->TokenFailed(error, now); }
Step BoundCall::Answered(CallAnswer const& answer, CallTime now) {
  auto step = state_->Answered(answer, now);
  auto const requestId = answer.Fields.Get("x-ms-request-id");
  auto const* const fail = std::get_if<Fail>(&step);
  if (fail == nullptr || requestId.empty()) return step;
  auto details = fail->What.Details();
  details.ServiceRequestId = Redact(requestId);
  return Fail{Error{std::move(details)}, fail->Cause};
}
Step BoundCall::SendFailed(Error const& error, CallTime now) { return state_->SendFailed(error, now); }
Step BoundCall::Waited(CallTime now) { return state_->Waited(now); }
bool BoundCall::NeedsRewind() const noexcept { return state_->NeedsRewind(); }
Step BoundCall::CannotRewind() { return state_->CannotRewind(); }
bool BoundCall::WantsBody(int statusCode) const noexcept { return state_->WantsBody(statusCode); }
bool BoundCall::IsChallengeAnswered() const noexcept { return state_->IsChallengeAnswered(); }
bool BoundCall::WasRefused(AccessToken const& token) const noexcept { return state_->WasRefused(token); }

}  // namespace mtlspop
