#include "token_service.hpp"

#include <exception>

#include "answer_text.hpp"
#include "client_name.hpp"
#include "form.hpp"
#include "json.hpp"
#include "mtlspop/base/plain_scope.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/verify_binding.hpp"
#include "mtlspop/transport/redact.hpp"
#include "no_answer.hpp"
#include "token_times.hpp"

namespace mtlspop {
namespace {

/// AADSTS3921996.
constexpr std::uint64_t TenantNotEligible = 3921996;

std::string_view AssertionTypeName(AssertionType kind) noexcept {
  return kind == AssertionType::JwtPop ? "urn:ietf:params:oauth:client-assertion-type:jwt-pop"
                                       : "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
}

Secret MakeForm(TokenServiceRequest const& request) {
  auto const scope = ToScope(request.Scope);
  auto const claims = MergeClaims(request.Claims, request.ClientCapabilities);
  std::vector<FormField> fields{
      {"grant_type", "client_credentials"}, {"client_id", request.ClientId}, {"scope", scope}};
  if (request.IsBound) fields.emplace_back("token_type", ToString(TokenType::MtlsPop));
  // A managed identity asks for a bearer token by name; an application says nothing, and proves itself twice.
  if (!request.IsBound && request.ClientAssertion.Empty()) fields.emplace_back("token_type", "bearer");
  if (!request.ClientAssertion.Empty()) {
    fields.emplace_back("client_assertion_type", AssertionTypeName(request.AssertionKind));
    fields.emplace_back("client_assertion", request.ClientAssertion.Reveal());
  }
  if (!claims.empty()) fields.emplace_back("claims", claims);
  return WriteForm(fields);
}

ServiceRequest MakeRequest(TokenServiceRequest const& request) {
  ServiceRequest message{"request_token",     "POST", Url::Parse(request.Endpoint), {}, MakeForm(request),
                         request.Certificate, false,  request.CorrelationId};
  message.Fields.Set("Content-Type", "application/x-www-form-urlencoded");
  message.Fields.Set("Accept", "application/json");
  AddClientHeaders(message.Fields);
  message.Fields.Set("client-request-id", request.CorrelationId);
  message.Fields.Set("return-client-request-id", "true");
  return message;
}

/// What the service says of a failure.
struct Refusal {
  /// For example "invalid_client".
  std::string Error;
  /// For example "AADSTS392196"; "" where it gave none.
  std::string Code;
  /// For people; shortened and without secrets.
  std::string Text;
  /// The numbers of `error_codes`.
  std::vector<std::uint64_t> Numbers;
};

std::string FindAadCode(std::string const& description) {
  constexpr std::string_view prefix = "AADSTS";
  auto const start = description.find(prefix);
  if (start == std::string::npos) return "";
  auto const end = description.find_first_not_of("0123456789", start + prefix.size());
  auto code = description.substr(start, end == std::string::npos ? std::string::npos : end - start);
  return code.size() > prefix.size() ? code : "";
}

std::vector<std::uint64_t> ReadNumbers(json::Value const& object) {
  std::vector<std::uint64_t> numbers;
  auto const* const codes = object.Find("error_codes");
  auto const* const elements = codes == nullptr ? nullptr : codes->AsArray();
  if (elements == nullptr) return numbers;
  for (auto const& code : *elements) {
    auto const number = code.Unsigned();
    if (!number) return {};
    numbers.push_back(*number);
  }
  return numbers;
}

Refusal ReadRefusal(ServiceResponse const& response) {
  Refusal refusal;
  auto const object = json::ParseObject(response.Body);
  if (!object) return refusal;
  refusal.Error = FirstLine(json::FindString(*object, "error").value_or(""));
  auto const description = json::FindString(*object, "error_description").value_or("");
  refusal.Code = FindAadCode(description);
  refusal.Numbers = ReadNumbers(*object);
  if (refusal.Code.empty() && !refusal.Numbers.empty()) {
    refusal.Code = "AADSTS" + std::to_string(refusal.Numbers.front());
  }
  refusal.Text = FirstLine(description);
  return refusal;
}

ErrorDetails BindingRejected(std::string what, bool isIssued) {
  return {
      errors::BindingRejected, std::move(what),
      std::string{
          isIssued ? "Another certificate is asked for once. If this goes on, check that the identity still exists and "
                     "is assigned to this machine"
                   : "Check that the app registration knows this certificate, or the identity that vouches for it, "
                     "and that the newest one is in use"} +
          ", that the clock is right, and that nothing on the way ends TLS"};
}

/// AADSTS1000610 to AADSTS1000614: its time, issuer, claims, `jku` or signature.
bool NamesAttestation(std::string_view code) noexcept {
  constexpr std::string_view prefix = "AADSTS100061";
  return code.size() == prefix.size() + 1 && code.substr(0, prefix.size()) == prefix && code.back() >= '0' &&
         code.back() <= '4';
}

bool NamesCertificate(std::string_view code, std::string_view text) noexcept {
  return code == "AADSTS1000901" || code == "AADSTS500181" || NamesAttestation(code) ||
         text.find("CertificateValidationFailedTlsCertMismatch") != std::string_view::npos;
}

bool IsAboutBinding(Refusal const& refusal) {
  return refusal.Error == "invalid_client" || NamesCertificate(refusal.Code, refusal.Text);
}

/// By the number alone: texts change, and the same number among others is about something else.
bool IsAboutTenant(Refusal const& refusal) {
  return refusal.Numbers.size() == 1 && refusal.Numbers.front() == TenantNotEligible;
}

bool IsAboutResource(Refusal const& refusal) {
  return refusal.Code == "AADSTS392196" || refusal.Error == "MtlsClientPopTokenNotSupportedByResource" ||
         refusal.Text.find("MtlsClientPopTokenNotSupportedByResource") != std::string::npos;
}

ErrorDetails ToDetails(ServiceResponse const& response, Refusal const& refusal, bool isIssued) {
  std::string const said = DescribeAnswer(response);
  if (IsAboutTenant(refusal)) {
    return {
        errors::TenantNotEligibleForBoundTokens, "This tenant may not have attested bound tokens (" + said + ")",
        "Have the feature enabled for the tenant; until then ask for bearer tokens (token binding \"none\" or "
        "\"preferred\"). Trying again does not help"};
  }
  if (IsAboutResource(refusal)) {
    return {
        errors::ResourceDoesNotSupportBoundTokens, "The resource cannot take bound tokens (" + said + ")",
        "Ask for a bearer token for this resource (token binding \"none\" or \"preferred\"), or ask the resource's "
        "owners to "
        "enable token binding"};
  }
  if (refusal.Code == "AADSTS51000") {
    return {
        errors::MtlsNotEnabledForApp, "The app may not authenticate with a certificate over mutual TLS (" + said + ")",
        "Have mutual-TLS client authentication enabled for the app registration or tenant; trying again does not help"};
  }
  if (IsAboutBinding(refusal))
    return BindingRejected("The token service refused the binding certificate (" + said + ")", isIssued);
  if (response.StatusCode >= 500 || response.StatusCode == 429 || response.StatusCode == 408) {
    return {
        errors::TokenServiceUnavailable, "The token service could not answer (" + said + ")",
        "Try again later; if the answer carried Retry-After, not before that"};
  }
  if (refusal.Code.empty()) {
    return {
        errors::TokenRequestRefused,
        "The request was refused without an AADSTS code, so something else than the token service seems to answer (" +
            said + ")",
        "Check the authority host, connect overrides and proxies, and that nothing on the way ends TLS"};
  }
  return {
      errors::TokenRequestRefused, "The token service refused the request (" + said + ")",
      "Look the AADSTS code up in the token service's documentation; check client id, tenant, scope and the identity's "
      "permissions"};
}

[[noreturn]] void ThrowRefused(ServiceRequest const& message, ServiceResponse const& response, bool isIssued) {
  auto const refusal = ReadRefusal(response);
  auto details = WithRequest(ToDetails(response, refusal, isIssued), message, response);
  details.ServiceErrorCode = refusal.Code;
  details.Transient = details.Code == errors::TokenServiceUnavailable;
  throw Error{std::move(details)};
}

/// A server that does not like a certificate may say so by an alert, or by ending the connection in the handshake, before
/// anything was sent. One whose own certificate is refused is another matter.
bool IsAboutHandshake(Error const& error) noexcept {
  auto const code = error.Code();
  return code == errors::BindingCertificateRejected || code == errors::PrivateKeyUnusable ||
         code == errors::TlsHandshakeFailed || (code == errors::ConnectionLost && error.Details().NothingSent);
}

ServiceResponse Send(
    ServiceClient const& client, ServiceRequest const& message, bool isIssued, Context const& context) {
  int sent = 0;
  auto const rule = [&sent](int attempt, AttemptResult const& result) {
    sent += WasSent(result) ? 1 : 0;
    if (result.Failure != nullptr && IsAboutHandshake(*result.Failure)) return std::optional<std::chrono::seconds>{};
    return TokenServiceRetry(attempt, result);
  };
  try {
    return client.Send(message, rule, context);
  } catch (Error const& error) {
    if (IsOfThisProcess(error) || context.IsExpired()) throw;
    auto details = IsAboutHandshake(error)
                       ? BindingRejected(
                             "TLS with the token service at " + message.Target.GetOrigin().ToString() +
                                 " failed, most likely over the binding certificate: " + error.Details().What,
                             isIssued)
                       : ErrorDetails{
                             errors::TokenServiceUnavailable,
                             "The token service at " + message.Target.GetOrigin().ToString() +
                                 " could not be asked: " + error.Details().What,
                             "Check DNS, firewall and proxy for that host, and that nothing on the way ends TLS, "
                             "since the binding certificate must reach the service"};
    if (sent > 0) details.CorrelationId = message.CorrelationId;
    details.Attempts = sent;
    details.Transient = error.Details().Transient;
    std::throw_with_nested(Error{std::move(details)});
  }
}

[[noreturn]] void ThrowMalformed(ServiceRequest const& message, ServiceResponse const& response, char const* what) {
  throw Error{WithRequest(
      {errors::TokenResponseMalformed, std::string{"The token service's answer "} + what,
       "Check that the token endpoint is the right one and that nothing on the way answers for it; if so, report the "
       "correlation id to the service's owners"},
      message, response)};
}

void RequireTokenType(
    json::Value const& answer, bool isBound, ServiceRequest const& message, ServiceResponse const& response) {
  auto const wanted = ToString(isBound ? TokenType::MtlsPop : TokenType::Bearer);
  auto const type = json::FindString(answer, "token_type").value_or("");
  if (EqualsIgnoreCase(type, wanted)) return;
  throw Error{WithRequest(
      {errors::TokenTypeMismatch,
       "A token of type " + std::string{wanted} + " was asked for, and one of type \"" + FirstLine(type) + "\" came",
       "The token is thrown away. Check that token binding is enabled for tenant and resource, and report the "
       "correlation id "
       "to the service's owners"},
      message, response)};
}

void RequireBinding(
    Secret const& token,
    TokenServiceRequest const& request,
    ServiceRequest const& message,
    ServiceResponse const& response) {
  try {
    VerifyBinding(token, *request.Certificate);
  } catch (Error const& error) {
    throw Error{WithRequest(error.Details(), message, response)};
  }
}

}  // namespace

AccessToken RequestToken(ServiceClient const& client, TokenServiceRequest const& request, Context const& context) {
  auto const message = MakeRequest(request);
  auto const response = Send(client, message, request.IsIssued, context);
  if (response.StatusCode != 200) ThrowRefused(message, response, request.IsIssued);
  auto const answer = json::ParseObject(response.Body);
  if (!answer) ThrowMalformed(message, response, "is no JSON object");
  RequireTokenType(*answer, request.IsBound, message, response);
  auto const now = client.Time().Now();
  auto const expiresOn = ReadExpiry(*answer, now);
  if (!expiresOn) ThrowMalformed(message, response, "does not say when the token expires, or it has by this clock");
  if (response.Token.Empty()) ThrowMalformed(message, response, "holds no token, or one that no header can carry");

  AccessToken token;
  token.Token = response.Token;
  token.ExpiresOn = *expiresOn;
  token.RefreshOn = ReadRefresh(*answer, now, *expiresOn);
  token.CorrelationId = std::make_shared<std::string const>(request.CorrelationId);
  if (request.IsBound) {
    RequireBinding(token.Token, request, message, response);
    token.Type = TokenType::MtlsPop;
    token.Binding = request.Certificate;
  }
  return token;
}

bool ConcernsAttestation(ErrorDetails const& rejected) noexcept { return NamesAttestation(rejected.ServiceErrorCode); }

bool MayConcernOneTenant(ErrorDetails const& rejected) noexcept {
  // Without a status, TLS refused it.
  return rejected.HttpStatus != 0 && !NamesCertificate(rejected.ServiceErrorCode, rejected.What);
}

std::string ToScope(std::string const& scopeOrResource) {
  constexpr std::string_view suffix = "/.default";
  auto const& text = scopeOrResource;
  if (!IsPlainScope(text)) {
    throw Error{
        {errors::InvalidArgument, "The scope \"" + Redact(text) + "\" could be read in two ways, or is empty",
         "Ask for one resource, without spaces, #, ?, % and dot segments, as in https://vault.azure.net/.default"}};
  }
  if (text.size() > suffix.size() && text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0) return text;
  auto const end = text.find_last_not_of('/');
  return text.substr(0, end == std::string::npos ? 0 : end + 1).append(suffix);
}

std::string MergeClaims(std::string const& claims, std::vector<std::string> const& capabilities) {
  auto merged = json::Value::Object();
  if (!claims.empty()) {
    auto parsed = json::ParseObject(claims);
    if (!parsed) {
      throw Error{
          {errors::InvalidArgument, "The claims are no JSON object",
           "Pass the claims of the challenge decoded from base64, unchanged"}};
    }
    merged = std::move(*parsed);
  }
  if (!capabilities.empty()) {
    auto& accessToken = (*merged.AsObject())["access_token"];
    if (accessToken.AsObject() == nullptr) accessToken = json::Value::Object();
    auto& values = accessToken.Set("xms_cc", json::Value::Object()).Set("values", json::Value::Array());
    for (auto const& capability : capabilities) values.Append(capability);
  }
  return merged.AsObject()->empty() ? "" : merged.ToText();
}

}  // namespace mtlspop
