#include "bound_token_policy.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "azure_context.hpp"
#include "azure_failure.hpp"
#include "bound_travel.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/policies/binding_verdict.hpp"
#include "mtlspop/policies/errors.hpp"
#include "mtlspop/policies/www_authenticate.hpp"

namespace mtlspop::azure {
namespace {

using Azure::Core::Http::HttpStatusCode;
using Azure::Core::Http::RawResponse;
using Azure::Core::Http::Request;
using Azure::Core::Http::Policies::NextHttpPolicy;

constexpr char const* AuthorizationField = "authorization";
constexpr char const* BoundField = "x-ms-tokenboundauth";
constexpr std::string_view BearerPrefix = "Bearer ";

// One attempt of Azure's retry policy, with the one or two requests that it comes to.
class BoundAttempt final {
 public:
  BoundAttempt(
      BoundTokenSettings const& settings,
      std::shared_ptr<TokenPair const> pair,
      std::string_view heldToken,
      Request& request,
      NextHttpPolicy& next,
      Azure::Core::Context const& context)
      : settings_(settings),
        pair_(std::move(pair)),
        heldToken_(heldToken),
        request_(request),
        next_(next),
        context_(context) {}

  std::unique_ptr<RawResponse> Send() {
    auto response = SendOnce(pair_->Token, true);
    if (response->GetStatusCode() != HttpStatusCode::Unauthorized) return response;
    switch (VerdictOf(*response)) {
      case BindingVerdict::NotSupported:
        ThrowNotSupported();
      case BindingVerdict::NoLongerGood:
        return SendOnce(Renew([this](TokenRequest& wanted) { Reject(wanted); }), false);
      case BindingVerdict::CertificateMissing:
        LogMissingCertificate();
        return response;
      case BindingVerdict::CheckFailed:
      case BindingVerdict::None:
        break;
    }
    auto const claims = ClaimsOf(*response);
    if (claims.empty()) return response;
    return SendOnce(Renew([&claims](TokenRequest& wanted) { wanted.Claims = claims; }), false);
  }

  static BindingVerdict VerdictOf(RawResponse const& response) {
    auto const& body = response.GetBody();
    return ReadBindingVerdict({reinterpret_cast<char const*>(body.data()), body.size()});
  }

 private:
  std::unique_ptr<RawResponse> SendOnce(AccessToken const& token, bool mayRenew) {
    auto const travel = std::make_shared<BoundTravel>();
    travel->Token = token;
    request_.SetHeader(AuthorizationField, TokenPlaceholder);
    request_.SetHeader(BoundField, "true");
    // Azure counts the policies that are left in the object itself.
    auto next = next_;
    try {
      return next.Send(request_, context_.WithValue(BoundTravelKey(), std::shared_ptr<BoundTravel>{travel}));
    } catch (Azure::Core::Http::TransportException const&) {
      auto const isRefused = travel->Failure && travel->Failure->Code() == errors::BindingCertificateRejected;
      if (!isRefused || !mayRenew) throw;
    }
    return SendOnce(Renew([this](TokenRequest& wanted) { Reject(wanted); }), false);
  }

  void Reject(TokenRequest& wanted) const { wanted.RejectedKeyId = pair_->Token.Binding->KeyId(); }

  // Another token for the same purpose. Pipelines hold on to the old one, so it stands for the new one from now on.
  template <typename Change>
  AccessToken Renew(Change change) {
    auto wanted = pair_->Request;
    change(wanted);
    AccessToken token;
    try {
      token = settings_.Credential->GetToken(wanted, FromAzure(context_));
    } catch (Error const& error) {
      ThrowAsAuthenticationFailure(error, context_);
    }
    if (token.Type != TokenType::MtlsPop || !token.Binding) {
      throw Azure::Core::Credentials::AuthenticationException(
          Error{{errors::BoundTokenWithoutBinding, "the credential has no bound token to replace a refused one with",
                 "Check the credential's log for why it fell back, or ask it for TokenBinding::Required"}}
              .what());
    }
    settings_.Pairs->Replace(heldToken_, token);
    if (auto* const body = request_.GetBodyStream()) body->Rewind();
    return token;
  }

  static std::string ClaimsOf(RawResponse const& response) {
    auto const& headers = response.GetHeaders();
    auto const challenge = headers.find("www-authenticate");
    return challenge == headers.end() ? std::string{} : FindClaims(ParseWwwAuthenticate(challenge->second));
  }

  [[noreturn]] void ThrowNotSupported() const {
    throw Azure::Core::Credentials::AuthenticationException(Error{
        {errors::ResourceDoesNotSupportBoundTokens,
         request_.GetUrl().GetHost() + " does not take certificate-bound tokens",
         "Ask the resource's owners whether they support token binding, or leave UseTokenBinding out for this client "
         "and use a credential without it"}}.what());
  }

  void LogMissingCertificate() const {
    settings_.Log.Write(
        LogLevel::Error, "client_certificate_did_not_arrive",
        {{"host", request_.GetUrl().GetHost()},
         {"key_id", pair_->Token.Binding->KeyId()},
         {"hint",
          "something between ends TLS, or the origin is set to TLS 1.3 without asking for a certificate there"}});
  }

  BoundTokenSettings const& settings_;
  std::shared_ptr<TokenPair const> pair_;
  std::string_view heldToken_;
  Request& request_;
  NextHttpPolicy& next_;
  Azure::Core::Context const& context_;
};

[[noreturn]] void ThrowBindingGone(Request const& request) {
  throw Azure::Core::Credentials::AuthenticationException(Error{
      {errors::BoundTokenWithoutBinding,
       "the request to " + request.GetUrl().GetHost() + " carries a bound token whose certificate is not known here",
       "Pass the credential that the client gets its tokens from to UseTokenBinding, and construct the client with it"}}
                                                              .what());
}

std::chrono::milliseconds WaitBefore(Azure::Core::Http::Policies::RetryOptions const& retry, int attempt) {
  return std::min(retry.MaxRetryDelay, retry.RetryDelay * (1 << std::min(attempt, 16)));
}

}  // namespace

std::unique_ptr<RawResponse> BoundTokenPolicy::Send(
    Request& request, NextHttpPolicy nextPolicy, Azure::Core::Context const& context) const {
  auto const header = request.GetHeader(AuthorizationField);
  if (!header.HasValue() || header.Value().compare(0, BearerPrefix.size(), BearerPrefix) != 0) {
    request.RemoveHeader(BoundField);
    return nextPolicy.Send(request, context);
  }
  auto const held = std::string_view{header.Value()}.substr(BearerPrefix.size());
  auto pair = settings_->Pairs->Find(held);
  if (!pair) {
    if (IsBoundToken(held)) ThrowBindingGone(request);
    request.RemoveHeader(BoundField);
    return nextPolicy.Send(request, context);
  }
  for (int attempt = 0;; ++attempt) {
    auto response = BoundAttempt{*settings_, pair, held, request, nextPolicy, context}.Send();
    auto const isCheckFailed = response->GetStatusCode() == HttpStatusCode::Unauthorized &&
                               BoundAttempt::VerdictOf(*response) == BindingVerdict::CheckFailed;
    if (!isCheckFailed || attempt >= settings_->Retry.MaxRetries) return response;
    settings_->Log.Write(
        LogLevel::Info, "retry", {{"host", request.GetUrl().GetHost()}, {"reason", "binding_check_failed"}});
    try {
      settings_->Time->Sleep(WaitBefore(settings_->Retry, attempt), FromAzure(context));
    } catch (Error const& error) {
      ThrowAsTransportFailure(error, context);
    }
    if (auto* const body = request.GetBodyStream()) body->Rewind();
    pair = settings_->Pairs->Find(held);
    if (!pair) ThrowBindingGone(request);
  }
}

}  // namespace mtlspop::azure
