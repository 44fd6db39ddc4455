#include "bound_token_policy.hpp"

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "azure_context.hpp"
#include "azure_failure.hpp"
#include "bound_travel.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/policies/binding_verdict.hpp"
#include "mtlspop/policies/errors.hpp"
#include "mtlspop/policies/retry_delay.hpp"
#include "mtlspop/policies/www_authenticate.hpp"

namespace mtlspop::azure {
namespace {

using Azure::Core::Credentials::AuthenticationException;
using Azure::Core::Http::HttpStatusCode;
using Azure::Core::Http::RawResponse;
using Azure::Core::Http::Request;
using Azure::Core::Http::Policies::NextHttpPolicy;

constexpr char const* AuthorizationField = "authorization";
constexpr char const* BoundField = "x-ms-tokenboundauth";
constexpr char const* ChallengeField = "www-authenticate";
constexpr std::string_view BearerPrefix = "Bearer ";

// Of a longer wait that the resource asks for, the caller is to decide.
constexpr std::chrono::minutes LongestRetryAfter{2};

std::string FieldOf(RawResponse const& response, std::string const& name) {
  auto const& headers = response.GetHeaders();
  auto const found = headers.find(name);
  return found == headers.end() ? std::string{} : found->second;
}

BindingVerdict VerdictOf(RawResponse const& response) {
  auto const& body = response.GetBody();
  return ReadBindingVerdict({reinterpret_cast<char const*>(body.data()), body.size()});
}

// Azure's own challenge handling answers a challenge with another token and sends the request again. Where that has been
// done already, or is of no use, it must not see the challenge.
std::unique_ptr<RawResponse> WithoutChallenge(std::unique_ptr<RawResponse> response) {
  if (!FieldOf(*response, ChallengeField).empty()) response->SetHeader(ChallengeField, "");
  return response;
}

// The wait before a failed check is tried again; none where the resource asks for more than anybody waits.
std::optional<std::chrono::milliseconds> WaitBefore(
    int retry, BoundTokenSettings const& settings, RawResponse const& response) {
  Headers asked;
  for (auto const* name : {"retry-after-ms", "x-ms-retry-after-ms", "Retry-After"}) {
    if (auto value = FieldOf(response, name); !value.empty()) asked.Add(name, std::move(value));
  }
  if (auto const wait = ReadRetryAfter(asked, settings.Time->Now())) {
    return *wait > LongestRetryAfter ? std::nullopt : wait;
  }
  RetryOptions options;
  options.InitialDelay = settings.Retry.RetryDelay;
  options.MaximumDelay = settings.Retry.MaxRetryDelay;
  return BackOff(options, retry);
}

[[noreturn]] void ThrowNotSupported(Request const& request) {
  throw AuthenticationException(Error{
      {errors::ResourceDoesNotSupportBoundTokens,
       request.GetUrl().GetHost() + " does not take certificate-bound tokens",
       "Ask the resource's owners whether they support token binding, or leave UseTokenBinding out for this client "
       "and use a credential without it"}}
                                    .what());
}

[[noreturn]] void ThrowRefusedAgain(Request const& request) {
  throw AuthenticationException(
      Error{{errors::BindingRejected,
             request.GetUrl().GetHost() + " refused the binding certificate, and the credential gave no other",
             "Where it was replaced for that reason a few minutes ago, another certificate does not help. Look at the "
             "one who "
             "refuses: is it the resource you mean, does something on the way end TLS, is its clock right?"}}
          .what());
}

[[noreturn]] void ThrowBindingGone(Request const& request) {
  throw AuthenticationException(Error{
      {errors::BoundTokenWithoutBinding,
       "the request to " + request.GetUrl().GetHost() + " carries a bound token whose certificate is not known here",
       "Pass the credential that the client gets its tokens from to UseTokenBinding, and construct the client with it"}}
                                    .what());
}

// A request with one of our tokens, and what follows from the resource's refusals.
class BoundSending final {
 public:
  BoundSending(
      BoundOperation& operation,
      BoundOperation::Held held,
      std::string_view heldToken,
      Request& request,
      NextHttpPolicy& next,
      Azure::Core::Context const& context)
      : operation_(operation),
        held_(std::move(held)),
        heldToken_(heldToken),
        request_(request),
        next_(next),
        context_(context) {}

  std::unique_ptr<RawResponse> Send() {
    if (IsBound() && held_.Pairs->TakesOnlyBearer(Host())) FallBackToBearer();
    for (;;) {
      auto response = SendOnce();
      if (response->GetStatusCode() != HttpStatusCode::Unauthorized) return response;
      operation_.NoteRefusal(held_.Pair);
      switch (IsBound() ? VerdictOf(*response) : BindingVerdict::None) {
        case BindingVerdict::NotSupported:
          if (!Rewind()) return response;
          FallBackToBearer();
          LogFallback();
          held_.Pairs->RememberBearerOnly(Host());
          continue;
        case BindingVerdict::NoLongerGood:
          if (!operation_.TakeBindingReplacement()) return WithoutChallenge(std::move(response));
          if (!Rewind()) return response;
          Replace(RenewedBinding(RefusalReason::BindingNoLongerGood));
          continue;
        case BindingVerdict::CertificateMissing:
          LogMissingCertificate();
          return WithoutChallenge(std::move(response));
        case BindingVerdict::CheckFailed:
          if (!WaitForAnotherCheck(*response)) return WithoutChallenge(std::move(response));
          continue;
        case BindingVerdict::None:
          break;
      }
      auto const claims = FindClaims(ParseWwwAuthenticate(FieldOf(*response, ChallengeField)));
      if (claims.empty()) return response;
      if (!operation_.TakeClaimsAnswer()) return WithoutChallenge(std::move(response));
      if (!Rewind()) return response;
      Replace(Renewed([&claims](TokenRequest& wanted) { wanted.Claims = claims; }));
    }
  }

 private:
  AccessToken const& Token() const noexcept { return held_.Pair->Token; }
  bool IsBound() const noexcept { return Token().Type == TokenType::MtlsPop; }
  std::string const& Host() const { return request_.GetUrl().GetHost(); }

  std::unique_ptr<RawResponse> SendOnce() {
    if (!IsBound()) {
      request_.SetHeader(AuthorizationField, Token().AuthorizationHeader());
      request_.RemoveHeader(BoundField);
      return next_.Send(request_, context_);
    }
    auto const travel = std::make_shared<BoundTravel>();
    travel->Token = Token();
    request_.SetHeader(AuthorizationField, TokenPlaceholder);
    request_.SetHeader(BoundField, "true");
    try {
      return next_.Send(request_, context_.WithValue(BoundTravelKey(), std::shared_ptr<BoundTravel>{travel}));
    } catch (AuthenticationException const&) {
      // Either way a new certificate, for a new key, is what can help.
      bool const bad = travel->Failure && (travel->Failure->Code() == errors::BindingCertificateRejected ||
                                           travel->Failure->Code() == errors::PrivateKeyUnusable);
      if (!bad) throw;
    }
    if (!operation_.TakeBindingReplacement() || !Rewind()) ThrowAsAuthenticationFailure(*travel->Failure, context_);
    bool const keyIsGone = travel->Failure->Code() == errors::PrivateKeyUnusable;
    Replace(RenewedBinding(keyIsGone ? RefusalReason::PrivateKeyUnusable : RefusalReason::BindingNoLongerGood));
    return SendOnce();
  }

  bool Rewind() {
    auto* const body = request_.GetBodyStream();
    if (body == nullptr) return true;
    try {
      body->Rewind();
    } catch (std::exception const&) {
      return false;
    }
    return true;
  }

  AccessToken RenewedBinding(RefusalReason reason) const {
    held_.Credential->ReportRefusal(held_.Pair->Request, Token(), reason);
    auto token = Renewed([](TokenRequest&) {});
    if (token.Token == Token().Token) ThrowRefusedAgain(request_);
    return token;
  }

  // Another token for the same purpose; a bearer token where the credential prefers binding and can no longer have it.
  template <typename Change>
  AccessToken Renewed(Change change) const {
    auto wanted = held_.Pair->Request;
    change(wanted);
    AccessToken token;
    try {
      token = held_.Credential->GetToken(wanted, FromAzure(context_));
    } catch (Error const& error) {
      ThrowAsAuthenticationFailure(error, context_);
    }
    if (token.Type == TokenType::MtlsPop && !token.Binding) ThrowBindingGone(request_);
    return token;
  }

  // Pipelines hold on to the token that was refused, so it stands for the new one from now on.
  void Replace(AccessToken token) {
    held_.Pairs->Replace(heldToken_, token);
    held_.Pair = std::make_shared<TokenPair const>(TokenPair{std::move(token), held_.Pair->Request});
  }

  // Where binding is only preferred, there is a bearer token for a resource that takes no other. It does not stand for the
  // refused one, which other resources may take.
  void FallBackToBearer() {
    if (held_.Pair->Request.Binding == TokenBinding::Required) ThrowNotSupported(request_);
    auto token = Renewed([](TokenRequest& wanted) { wanted.Binding = TokenBinding::None; });
    if (token.Type != TokenType::Bearer) ThrowNotSupported(request_);
    held_.Pair = std::make_shared<TokenPair const>(TokenPair{std::move(token), held_.Pair->Request});
  }

  void LogFallback() const {
    operation_.Settings().Log.Write(
        LogLevel::Warning, "fallback_to_bearer",
        {{"host", Host()}, {"reason", errors::ResourceDoesNotSupportBoundTokens.Name()}});
  }

  bool WaitForAnotherCheck(RawResponse const& response) {
    auto const retry = operation_.TakeCheckRetry();
    if (retry == 0) return false;
    auto const& settings = operation_.Settings();
    auto const wait = WaitBefore(retry, settings, response);
    if (!wait || !Rewind()) return false;
    settings.Log.Write(
        LogLevel::Info, "retry",
        {{"host", Host()}, {"reason", "binding_check_failed"}, {"wait_ms", static_cast<std::int64_t>(wait->count())}});
    try {
      settings.Time->Sleep(*wait, FromAzure(context_));
    } catch (Error const& error) {
      ThrowAsRequestFailure(error, context_);
    }
    // Another request may have had it replaced meanwhile.
    if (auto pair = held_.Pairs->Find(heldToken_)) held_.Pair = std::move(pair);
    return true;
  }

  void LogMissingCertificate() const {
    operation_.Settings().Log.Write(
        LogLevel::Error, "client_certificate_did_not_arrive",
        {{"host", Host()},
         {"x5t_s256", Token().Binding->X5tS256()},
         {"hint",
          "something between ends TLS, or the origin is set to TLS 1.3 without asking for a certificate there"}});
  }

  BoundOperation& operation_;
  BoundOperation::Held held_;
  std::string_view heldToken_;
  Request& request_;
  NextHttpPolicy& next_;
  Azure::Core::Context const& context_;
};

// With the token of somebody else, or with none.
std::unique_ptr<RawResponse> SendUnbound(
    BoundOperation& operation, Request& request, NextHttpPolicy& next, Azure::Core::Context const& context) {
  request.RemoveHeader(BoundField);
  auto response = next.Send(request, context);
  if (response->GetStatusCode() == HttpStatusCode::Unauthorized) operation.NoteRefusal(nullptr);
  return response;
}

// Whether a policy like this one, further up in the same pipeline, has prepared the request.
bool IsPrepared(Azure::Nullable<std::string> const& authorization, Azure::Core::Context const& context) {
  std::shared_ptr<BoundTravel> travel;
  return authorization.HasValue() && authorization.Value() == TokenPlaceholder &&
         context.TryGetValue(BoundTravelKey(), travel);
}

}  // namespace

std::unique_ptr<RawResponse> BoundTokenPolicy::Send(
    Request& request, NextHttpPolicy nextPolicy, Azure::Core::Context const& context) const {
  auto const header = request.GetHeader(AuthorizationField);
  if (IsPrepared(header, context)) return nextPolicy.Send(request, context);
  auto operation = BoundOperation::Of(context);
  if (operation) {
    operation->Join(*settings_);
  } else {
    operation = std::make_shared<BoundOperation>(settings_);
  }
  if (!header.HasValue() || header.Value().compare(0, BearerPrefix.size(), BearerPrefix) != 0) {
    return SendUnbound(*operation, request, nextPolicy, context);
  }
  auto const token = std::string_view{header.Value()}.substr(BearerPrefix.size());
  auto held = operation->Find(token);
  if (held.Pair) return BoundSending{*operation, std::move(held), token, request, nextPolicy, context}.Send();
  if (IsBoundToken(token)) ThrowBindingGone(request);
  return SendUnbound(*operation, request, nextPolicy, context);
}

}  // namespace mtlspop::azure
