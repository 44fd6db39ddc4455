#include "mtlspop/policies/token_authorization_policy.hpp"

#include <atomic>
#include <utility>

#include "learned_scopes.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/policies/binding_verdict.hpp"
#include "mtlspop/policies/errors.hpp"
#include "resource_challenge.hpp"
#include "response_body.hpp"

namespace mtlspop {
namespace {

constexpr char const* AuthorizationField = "Authorization";
constexpr char const* BoundField = "x-ms-tokenboundauth";

void TakeAuthorizationAway(PipelineRequest& request) {
  request.Message.Fields.Remove(AuthorizationField);
  request.Message.Fields.Remove(BoundField);
  request.Binding = nullptr;
}

void Authorize(PipelineRequest& request, AccessToken const& token) {
  TakeAuthorizationAway(request);
  if (token.Type == TokenType::MtlsPop) {
    if (!token.Binding) {
      throw Error{
          {errors::BoundTokenWithoutBinding,
           "the credential returned a bound token for " + request.Message.Target.Host() + " without its certificate",
           "This is a fault of the credential: a bound token must come with the certificate that it is bound to"}};
    }
    request.Message.Fields.Set(BoundField, "true");
    request.Binding = token.Binding;
  }
  request.Message.Fields.Set(AuthorizationField, token.AuthorizationHeader());
}

void RefuseWithoutHttps(Url const& target) {
  if (target.IsHttps()) return;
  throw Error{
      {errors::AuthorizationRequiresHttps,
       "a token was to be sent to " + target.GetOrigin().ToString() + ", which is not https",
       "Use an https URL: a token sent in the clear is open to everybody on the way"}};
}

void RefuseRedirect(PipelineRequest const& request, Response const& response) {
  auto const status = response.StatusCode;
  auto const isRedirect = (status >= 301 && status <= 303) || status == 307 || status == 308;
  if (!request.Binding || !isRedirect || !response.Fields.Contains("Location")) return;
  throw Error{
      {errors::RedirectRefused, request.Message.Target.Host() + " answered a bound request with a redirect",
       "Use the URL that the service redirects to, if it is one you trust: a bound token and its certificate are never "
       "taken elsewhere by an answer",
       status}};
}

[[noreturn]] void ThrowBoundTokensUnknown(Url const& target) {
  throw Error{
      {errors::ResourceDoesNotSupportBoundTokens, target.Host() + " does not take certificate-bound tokens",
       "Ask the resource's owners whether they support token binding, or use a credential with "
       "TokenBinding::None for this resource",
       401, "MtlsClientPopTokenNotSupportedByResource"}};
}

[[noreturn]] void ThrowRefusedAgain(Url const& target) {
  throw Error{
      {errors::BindingRejected, target.Host() + " refused the binding certificate, and the credential gave no other",
       "Where it was replaced for that reason a few minutes ago, another certificate does not help. Look at the one "
       "who "
       "refuses: is it the resource you mean, does something on the way end TLS, is its clock right?"}};
}

bool CanBeSentAgain(PipelineRequest const& request) {
  return !request.Message.Body || request.Message.Body->TryRewind();
}

// Whether a request may be sent without its token, to be told what token is wanted (RFC 9110 section 9.2.1).
bool IsSafe(Request const& message) noexcept {
  return !message.Body && (message.Method == "GET" || message.Method == "HEAD" || message.Method == "OPTIONS");
}

}  // namespace

class TokenAuthorizationPolicy::State final {
 public:
  State(gsl::not_null<std::shared_ptr<TokenCredential>> credential, TokenAuthorizationOptions options)
      : credential_(std::move(credential)), log_(std::move(options.Log)), learns_(options.Scopes.empty()) {
    configured_->Scopes = std::move(options.Scopes);
    configured_->TenantId = std::move(options.TenantId);
    configured_->Binding = options.Binding;
  }

  std::unique_ptr<Response> Send(PipelineRequest& request, NextHttpPolicy next, Context const& context) const {
    TakeAuthorizationAway(request);
    RefuseWithoutHttps(request.Message.Target);
    std::shared_ptr<TokenRequest const> wanted = configured_;
    if (learns_) {
      std::unique_ptr<Response> open;
      wanted = AskWhatIsWanted(request, next, context, open);
      if (open) return open;
    }
    if (somebodyTakesOnlyBearer_ && learned_->Of(request.Message.Target.GetOrigin())->TakesOnlyBearer()) {
      wanted = WithoutBinding(*wanted);
    }
    AccessToken token;
    auto response = SendAuthorized(request, next, context, *wanted, token);
    if (response->StatusCode == 401)
      response = AnswerUnauthorized(request, next, context, *wanted, token, std::move(response));
    RefuseRedirect(request, *response);
    return response;
  }

 private:
  // Sends without a token until the origin has said what it wants. Where it wants none, `open` is the answer.
  std::shared_ptr<TokenRequest const> AskWhatIsWanted(
      PipelineRequest& request, NextHttpPolicy next, Context const& context, std::unique_ptr<Response>& open) const {
    auto const origin = learned_->Of(request.Message.Target.GetOrigin());
    if (auto known = origin->Get()) return known;
    auto const turn = origin->TakeTurnToAsk(context);
    if (auto known = origin->Get()) return known;

    auto const isSafe = IsSafe(request.Message);
    PipelineRequest question{Request{"GET", request.Message.Target}, nullptr, request.Attempt};
    question.Message.Fields = request.Message.Fields;
    question.Message.Fields.Remove("Content-Type");
    auto response = next.Send(isSafe ? request : question, context);
    if (response->StatusCode != 401) {
      auto const mayDoBetterLater = response->StatusCode == 429 || response->StatusCode >= 500;
      if (!isSafe && !mayDoBetterLater) ThrowScopesUnknown(request.Message.Target, response->StatusCode);
      if (response->StatusCode < 400) origin->SetOpen();
      open = std::move(response);
      return nullptr;
    }
    auto const challenge = FindResourceChallenge(ReadChallenges(*response), request.Message.Target);
    if (!challenge) ThrowScopesUnknown(request.Message.Target, response->StatusCode);
    DrainBody(*response, context);
    auto wanted = Answering(*challenge);
    origin->Set(wanted);
    return wanted;
  }

  [[noreturn]] static void ThrowScopesUnknown(Url const& target, int status) {
    throw Error{
        {errors::ScopesUnknown, target.Host() + " does not say what token it wants",
         "Give the scopes in the options, for example \"https://vault.azure.net/.default\"", status}};
  }

  std::shared_ptr<TokenRequest const> Answering(ResourceChallenge const& challenge) const {
    auto wanted = std::make_shared<TokenRequest>(*configured_);
    wanted->Scopes = {challenge.Scope};
    if (wanted->TenantId.empty()) wanted->TenantId = challenge.TenantId;
    return wanted;
  }

  std::unique_ptr<Response> SendAuthorized(
      PipelineRequest& request,
      NextHttpPolicy next,
      Context const& context,
      TokenRequest const& wanted,
      AccessToken& used) const {
    used = credential_->GetToken(wanted, context);
    Authorize(request, used);
    auto reason = RefusalReason::BindingNoLongerGood;
    try {
      return next.Send(request, context);
    } catch (Error const& error) {
      // Either way a new certificate, for a new key, is what can help.
      bool const bad = error.Code() == errors::BindingCertificateRejected || error.Code() == errors::PrivateKeyUnusable;
      if (!bad || !request.Binding || !CanBeSentAgain(request)) throw;
      if (error.Code() == errors::PrivateKeyUnusable) reason = RefusalReason::PrivateKeyUnusable;
    }
    return SendWithNewBinding(request, next, context, wanted, used, reason);
  }

  static std::shared_ptr<TokenRequest const> WithoutBinding(TokenRequest const& wanted) {
    auto bearer = std::make_shared<TokenRequest>(wanted);
    bearer->Binding = TokenBinding::None;
    return bearer;
  }

  // For a resource that takes no bound tokens, where they are only preferred. A credential that they are required of gives
  // no other all the same.
  std::unique_ptr<Response> SendWithoutBinding(
      PipelineRequest& request, NextHttpPolicy next, Context const& context, TokenRequest const& used) const {
    auto const& target = request.Message.Target;
    if (used.Binding == TokenBinding::Required || !CanBeSentAgain(request)) ThrowBoundTokensUnknown(target);
    auto const token = credential_->GetToken(*WithoutBinding(used), context);
    if (token.Type != TokenType::Bearer) ThrowBoundTokensUnknown(target);
    log_.Write(
        LogLevel::Warning, "fallback_to_bearer",
        {{"host", target.Host()}, {"reason", errors::ResourceDoesNotSupportBoundTokens.Name()}});
    learned_->Of(target.GetOrigin())->SetTakesOnlyBearer();
    somebodyTakesOnlyBearer_ = true;
    Authorize(request, token);
    return next.Send(request, context);
  }

  std::unique_ptr<Response> SendWithNewBinding(
      PipelineRequest& request,
      NextHttpPolicy next,
      Context const& context,
      TokenRequest const& wanted,
      AccessToken const& refused,
      RefusalReason reason) const {
    log_.Write(
        LogLevel::Warning, "binding_replaced",
        {{"host", request.Message.Target.Host()}, {"x5t_s256", request.Binding->X5tS256()}});
    credential_->ReportRefusal(wanted, refused, reason);
    auto const token = credential_->GetToken(wanted, context);
    if (token.Token == refused.Token) ThrowRefusedAgain(request.Message.Target);
    Authorize(request, token);
    return next.Send(request, context);
  }

  // One more try where the answer says how; otherwise the answer itself.
  std::unique_ptr<Response> AnswerUnauthorized(
      PipelineRequest& request,
      NextHttpPolicy next,
      Context const& context,
      TokenRequest const& used,
      AccessToken const& token,
      std::unique_ptr<Response> response) const {
    auto const verdict = request.Binding ? ReadBindingVerdict(PeekBody(*response, context)) : BindingVerdict::None;
    if (verdict == BindingVerdict::NotSupported) {
      DrainBody(*response, context);
      return SendWithoutBinding(request, next, context, used);
    }
    if (verdict == BindingVerdict::CertificateMissing) LogMissingCertificate(request, *response);

    auto const isBindingBad = verdict == BindingVerdict::NoLongerGood;
    auto const better = isBindingBad ? std::optional{used} : BetterTokenRequest(request, *response, used);
    if (!better || !CanBeSentAgain(request)) return response;
    DrainBody(*response, context);
    response = nullptr;
    if (isBindingBad) {
      return SendWithNewBinding(request, next, context, used, token, RefusalReason::BindingNoLongerGood);
    }
    Authorize(request, credential_->GetToken(*better, context));
    return next.Send(request, context);
  }

  // What the challenge asks for, where that is something else than what was used.
  std::optional<TokenRequest> BetterTokenRequest(
      PipelineRequest const& request, Response const& response, TokenRequest const& used) const {
    auto const challenges = ReadChallenges(response);
    if (auto claims = FindClaims(challenges); !claims.empty()) {
      auto better = used;
      better.Claims = std::move(claims);
      return better;
    }
    if (!learns_) return std::nullopt;
    auto const challenge = FindResourceChallenge(challenges, request.Message.Target);
    if (!challenge) return std::nullopt;
    auto const wanted = Answering(*challenge);
    if (wanted->Scopes == used.Scopes && wanted->TenantId == used.TenantId) return std::nullopt;
    learned_->Of(request.Message.Target.GetOrigin())->Set(wanted);
    return *wanted;
  }

  void LogMissingCertificate(PipelineRequest const& request, Response const& response) const {
    log_.Write(
        LogLevel::Error, "client_certificate_did_not_arrive",
        {{"host", request.Message.Target.Host()},
         {"x5t_s256", request.Binding->X5tS256()},
         {"connection", static_cast<std::int64_t>(response.Connection.Id)},
         {"tls", response.Connection.TlsVersion},
         {"hint",
          "something between ends TLS, or the origin is set to TLS 1.3 without asking for a certificate there"}});
  }

  gsl::not_null<std::shared_ptr<TokenCredential>> credential_;
  Logger log_;
  bool learns_;
  std::shared_ptr<TokenRequest> configured_ = std::make_shared<TokenRequest>();
  mutable std::atomic<bool> somebodyTakesOnlyBearer_{false};
  std::unique_ptr<LearnedScopes> learned_ = std::make_unique<LearnedScopes>();
};

TokenAuthorizationPolicy::TokenAuthorizationPolicy(
    gsl::not_null<std::shared_ptr<TokenCredential>> credential, TokenAuthorizationOptions options)
    : state_(std::make_shared<State const>(std::move(credential), std::move(options))) {}

TokenAuthorizationPolicy::TokenAuthorizationPolicy(std::shared_ptr<State const> state) noexcept
    : state_(std::move(state)) {}

TokenAuthorizationPolicy::~TokenAuthorizationPolicy() = default;

std::unique_ptr<Response> TokenAuthorizationPolicy::Send(
    PipelineRequest& request, NextHttpPolicy next, Context const& context) const {
  return state_->Send(request, next, context);
}

std::unique_ptr<HttpPolicy> TokenAuthorizationPolicy::Clone() const {
  return std::unique_ptr<HttpPolicy>{new TokenAuthorizationPolicy{state_}};
}

}  // namespace mtlspop
