#include "imds_client.hpp"

#include <algorithm>
#include <cctype>
#include <vector>

#include "form.hpp"
#include "json.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/credential/errors.hpp"
#include "token_times.hpp"

namespace mtlspop {
namespace {

constexpr char const* PlatformMetadataPath = "/metadata/identity/getplatformmetadata";
constexpr char const* IssueCredentialPath = "/metadata/identity/issuecredential";
constexpr char const* TokenPath = "/metadata/identity/oauth2/token";
constexpr char const* ApiVersion2 = "cred-api-version=2.0";
constexpr char const* ApiVersion1 = "api-version=2018-02-01";

std::string WithoutTrailingSlash(std::string text) {
  while (!text.empty() && text.back() == '/') text.pop_back();
  return text;
}

[[noreturn]] void ThrowMalformed(
    ServiceRequest const& request, ServiceResponse const& response, std::string const& what) {
  throw Error{WithRequest(
      {errors::ImdsResponseMalformed,
       "The instance metadata service answered " + std::string{request.Name} + ", but " + what,
       "Check that nothing stands between this machine and the metadata service (AZURE_POD_IDENTITY_AUTHORITY_HOST, a "
       "proxy or an identity sidecar); if nothing does, report the correlation id to the service's owners"},
      request, response)};
}

nlohmann::json ParseAnswer(ServiceRequest const& request, ServiceResponse const& response) {
  auto object = json::ParseObject(response.Body);
  if (!object) ThrowMalformed(request, response, "the answer is no JSON object");
  return std::move(*object);
}

std::string RequireString(
    nlohmann::json const& object, char const* name, ServiceRequest const& request, ServiceResponse const& response) {
  auto value = json::FindString(object, name);
  if (!value) ThrowMalformed(request, response, "the field " + std::string{name} + " is missing");
  return std::move(*value);
}

std::string ReadCuId(nlohmann::json const& object, ServiceRequest const& request, ServiceResponse const& response) {
  auto const cuId = object.find("cuId");
  if (cuId == object.end() || !cuId->is_object()) ThrowMalformed(request, response, "the field cuId is missing");
  std::string text;
  for (char const* const name : {"vmId", "vmssId"}) {
    if (auto const id = json::FindString(*cuId, name)) {
      text.append(text.empty() ? "{\"" : ",\"").append(name).append("\":").append(json::ToText(*id));
    }
  }
  if (text.empty()) ThrowMalformed(request, response, "cuId holds neither vmId nor vmssId");
  return text + "}";
}

/// What the service says of itself, shortened and without secrets.
std::string Describe(ServiceResponse const& response) {
  std::string text = "status " + std::to_string(response.StatusCode);
  if (auto const object = json::ParseObject(response.Body)) {
    for (char const* const name : {"error", "error_description", "message"}) {
      if (auto const value = json::FindString(*object, name)) text += ", " + Redact(value->substr(0, 300));
    }
  }
  return text;
}

bool NamesImds(Headers const& fields) {
  std::string server{fields.Get("server")};
  std::transform(server.begin(), server.end(), server.begin(), [](unsigned char c) { return std::toupper(c); });
  return server.find("IMDS") != std::string::npos;
}

void RequireImds(ServiceRequest const& request, ServiceResponse const& response) {
  if (NamesImds(response.Fields)) return;
  throw Error{WithRequest(
      {errors::NotImds,
       "What answers at " + request.Target.GetOrigin().ToString() + " does not name itself IMDS in its server header",
       "Something else listens at that address, or a proxy answers for it: check AZURE_POD_IDENTITY_AUTHORITY_HOST and "
       "that "
       "169.254.169.254 is reached directly"},
      request, response)};
}

/// 4xx that are not retried are refusals; what was retried to the end is an outage.
[[noreturn]] void ThrowStatus(ServiceRequest const& request, ServiceResponse const& response) {
  int const status = response.StatusCode;
  bool const outage = status == 404 || status == 408 || status == 410 || status == 429 || status >= 500;
  std::string const what =
      "The instance metadata service answered " + std::string{request.Name} + " with " + Describe(response);
  if (outage) {
    throw Error{WithRequest(
        {errors::ImdsUnavailable, what,
         "Try again later; with 429, make fewer credentials and share them, since each asks the service for itself"},
        request, response)};
  }
  throw Error{WithRequest(
      {errors::ImdsRefused, what,
       "Check that the identity is assigned to this machine and that its client, object or resource id is right"},
      request, response)};
}

[[noreturn]] void ThrowKeyRefused(
    ServiceRequest const& request, ServiceResponse const& response, KeyStrength strength) {
  throw Error{WithRequest(
      {errors::MtlsPopRequiresKeyGuard,
       "The instance metadata service issued no certificate for a key of strength " + std::string{ToString(strength)} +
           " (" + Describe(response) + "); most likely it accepts KeyGuard keys only",
       "Run on Windows in a Trusted Launch virtual machine with virtualization-based security, with attestation; or "
       "use "
       "token binding \"preferred\" to go on with bearer tokens"},
      request, response)};
}

}  // namespace

ImdsClient::ImdsClient(ImdsOptions options, ServiceClient client)
    : options_(std::move(options)),
      base_(Url::Parse(WithoutTrailingSlash(options_.Endpoint))),
      client_(std::move(client)) {}

ServiceRequest ImdsClient::MakeRequest(
    char const* name,
    std::string method,
    std::string_view path,
    std::string const& apiVersion,
    std::string const& correlationId) const {
  auto target = Url::Parse(WithoutTrailingSlash(options_.Endpoint) + std::string{path} + "?" + apiVersion);
  if (options_.Identity.GetKind() != ManagedIdentityId::Kind::SystemAssigned) {
    target = target.WithQueryParameter(options_.Identity.QueryParameter(), options_.Identity.Value());
  }
  ServiceRequest request{name, std::move(method), std::move(target), {}, {}, nullptr, true, correlationId};
  request.Fields.Set("Metadata", "true");
  request.Fields.Set("x-ms-client-request-id", correlationId);
  request.Fields.Set("Accept", "application/json");
  return request;
}

ServiceResponse ImdsClient::Send(ServiceRequest const& request, RetryRule const& rule, Context const& context) const {
  int attempts = 0;
  auto const counted = [&](int attempt, AttemptResult const& result) {
    attempts = attempt;
    return rule(attempt, result);
  };
  try {
    return client_.Send(request, counted, context);
  } catch (Error const& error) {
    if (error.Code() == errors::Cancelled || context.IsExpired()) throw;
    ErrorDetails details{
        errors::ImdsNotReachable,
        "The instance metadata service at " + request.Target.GetOrigin().ToString() + " could not be asked",
        "Managed identities work on Azure virtual machines only. If this is one, check that a firewall or a container "
        "network "
        "does not block that address"};
    details.CorrelationId = request.CorrelationId;
    details.Attempts = attempts;
    std::throw_with_nested(Error{std::move(details)});
  }
}

PlatformMetadata ImdsClient::GetPlatformMetadata(std::string const& correlationId, Context const& context) const {
  auto const request = MakeRequest("get_platform_metadata", "GET", PlatformMetadataPath, ApiVersion2, correlationId);
  auto const response = Send(request, ImdsRetry(), context);
  if (response.StatusCode == 404) {
    throw Error{WithRequest(
        {errors::MtlsPopNotSupportedInImdsV1,
         "This machine's instance metadata service is version 1 only and issues no binding certificates",
         "Run on a virtual machine whose host offers IMDS v2, or use token binding \"preferred\" to go on with bearer "
         "tokens"},
        request, response)};
  }
  if (response.StatusCode != 200) ThrowStatus(request, response);
  RequireImds(request, response);
  auto const object = ParseAnswer(request, response);
  PlatformMetadata metadata;
  metadata.ClientId = RequireString(object, "clientId", request, response);
  metadata.TenantId = RequireString(object, "tenantId", request, response);
  metadata.CuIdJson = ReadCuId(object, request, response);
  metadata.AttestationEndpoint = RequireString(object, "attestationEndpoint", request, response);
  return metadata;
}

IssuedCredential ImdsClient::IssueCredential(
    CredentialRequest const& credential, std::string const& correlationId, Context const& context) const {
  auto request = MakeRequest("issue_credential", "POST", IssueCredentialPath, ApiVersion2, correlationId);
  std::vector<FormField> fields{{"csr", credential.Csr.Reveal()}};
  if (!credential.AttestationToken.Empty()) {
    fields.emplace_back("attestation_token", credential.AttestationToken.Reveal());
  }
  request.Body = WriteJsonObject(fields);
  request.Fields.Set("Content-Type", "application/json");

  auto const response = Send(request, ImdsRetry(), context);
  int const status = response.StatusCode;
  if ((status == 400 || status == 403) && credential.Strength < KeyStrength::KeyGuard) {
    ThrowKeyRefused(request, response, credential.Strength);
  }
  if (status != 200) ThrowStatus(request, response);
  RequireImds(request, response);
  auto const object = ParseAnswer(request, response);
  IssuedCredential issued;
  auto certificate = encoding::FromBase64(RequireString(object, "certificate", request, response));
  if (!certificate) ThrowMalformed(request, response, "the field certificate is not base64");
  issued.Certificate = std::move(*certificate);
  issued.ClientId = RequireString(object, "client_id", request, response);
  issued.TenantId = RequireString(object, "tenant_id", request, response);
  RequireString(object, "identity_type", request, response);
  issued.MtlsEndpoint = WithoutTrailingSlash(RequireString(object, "mtls_authentication_endpoint", request, response));
  issued.TokenEndpoint = json::FindString(object, "token_endpoint").value_or("");
  return issued;
}

AccessToken ImdsClient::GetBearerToken(
    std::string_view scope, std::string const& correlationId, Context const& context) const {
  constexpr std::string_view suffix = "/.default";
  bool const isScope = scope.size() > suffix.size() && scope.substr(scope.size() - suffix.size()) == suffix;
  auto request = MakeRequest("get_bearer_token", "GET", TokenPath, ApiVersion1, correlationId);
  request.Target =
      request.Target.WithQueryParameter("resource", isScope ? scope.substr(0, scope.size() - suffix.size()) : scope);

  auto const response = Send(request, ImdsRetry(), context);
  if (response.StatusCode != 200) ThrowStatus(request, response);
  auto object = ParseAnswer(request, response);
  AccessToken token;
  auto const now = client_.Time().Now();
  auto const expiresOn = ReadExpiry(object, now);
  if (!expiresOn) ThrowMalformed(request, response, "neither expires_in nor expires_on is there");
  if (!json::HasText(object, "access_token")) ThrowMalformed(request, response, "the field access_token is missing");
  token.Token = Secret{std::move(object["access_token"].get_ref<std::string&>())};
  token.ExpiresOn = *expiresOn;
  token.RefreshOn = ReadRefresh(object, now, *expiresOn);
  token.CorrelationId = std::make_shared<std::string const>(correlationId);
  return token;
}

void ImdsClient::Probe(std::string const& correlationId, Context const& context) const {
  auto request = MakeRequest("probe", "GET", PlatformMetadataPath, ApiVersion2, correlationId);
  request.Timeout = std::chrono::seconds{1};
  auto const response = Send(request, ImdsProbeRetry(), context);
  if (response.StatusCode == 404) {
    throw Error{WithRequest(
        {errors::MtlsPopNotSupportedInImdsV1,
         "This machine's instance metadata service is version 1 only and issues no binding certificates",
         "Run on a virtual machine whose host offers IMDS v2"},
        request, response)};
  }
  if (response.StatusCode != 200) ThrowStatus(request, response);
  RequireImds(request, response);
}

}  // namespace mtlspop
