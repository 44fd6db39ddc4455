#include "imds_client.hpp"

#include <vector>

#include "answer_text.hpp"
#include "client_name.hpp"
#include "form.hpp"
#include "json.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/credential/errors.hpp"
#include "no_answer.hpp"
#include "service_endpoint.hpp"
#include "tenants.hpp"
#include "token_service.hpp"
#include "token_times.hpp"

namespace mtlspop {
namespace {

constexpr char const* PlatformMetadataPath = "/metadata/identity/getplatformmetadata";
constexpr char const* IssueCredentialPath = "/metadata/identity/issuecredential";
constexpr char const* TokenPath = "/metadata/identity/oauth2/token";
constexpr char const* ApiVersion2 = "cred-api-version=2.0";
constexpr char const* ApiVersion1 = "api-version=2018-02-01";
constexpr char const* NewResourceIdName = "mi_res_id";
constexpr char const* OldResourceIdName = "msi_res_id";
/// Longer than this nobody waits to learn that nobody is there.
constexpr std::chrono::seconds ProbeTimeout{1};

std::string WithoutTrailingSlash(std::string text) {
  while (!text.empty() && text.back() == '/') text.pop_back();
  return text;
}

/// The same for each spelling of an address.
std::string Normalized(Url const& endpoint) {
  return WithoutTrailingSlash(endpoint.GetOrigin().ToString() + std::string{endpoint.Path()});
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

json::Value ParseAnswer(ServiceRequest const& request, ServiceResponse const& response) {
  auto object = json::ParseObject(response.Body);
  if (!object) ThrowMalformed(request, response, "the answer is no JSON object");
  return std::move(*object);
}

std::string RequireString(
    json::Value const& object, char const* name, ServiceRequest const& request, ServiceResponse const& response) {
  auto value = json::FindString(object, name);
  if (!value) ThrowMalformed(request, response, "the field " + std::string{name} + " is missing");
  return std::move(*value);
}

std::string ReadCuId(json::Value const& object, ServiceRequest const& request, ServiceResponse const& response) {
  auto const* const cuId = object.Find("cuId");
  if (cuId == nullptr || cuId->AsObject() == nullptr) ThrowMalformed(request, response, "the field cuId is missing");
  std::string text;
  for (char const* const name : {"vmId", "vmssId"}) {
    if (auto const id = json::FindString(*cuId, name)) {
      text.append(text.empty() ? "{\"" : ",\"").append(name).append("\":").append(json::Value{*id}.ToText());
    }
  }
  if (text.empty()) ThrowMalformed(request, response, "cuId holds neither vmId nor vmssId");
  return text + "}";
}

bool NamesImds(Headers const& fields) {
  constexpr std::string_view name = "IMDS";
  auto const server = fields.Get("server");
  for (std::size_t at = 0; at + name.size() <= server.size(); ++at) {
    if (EqualsIgnoreCase(server.substr(at, name.size()), name)) return true;
  }
  return false;
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

/// That will be another answer soon.
bool IsPassing(int status) noexcept { return status == 408 || status == 410 || status == 429 || status >= 500; }

constexpr char const* CheckWhatAnswers =
    "A proxy or another service stands at that address: check AZURE_POD_IDENTITY_AUTHORITY_HOST, and that "
    "169.254.169.254 is reached directly";

/// 4xx that are not retried are refusals; what was retried to the end is an outage.
ErrorDetails StatusDetails(ServiceRequest const& request, ServiceResponse const& response) {
  bool const isImds = NamesImds(response.Fields) || json::ParseObject(response.Body);
  std::string const what =
      (isImds ? "The instance metadata service" : "Something else than the instance metadata service") +
      std::string{" answered "} + request.Name + " with " + DescribeAnswer(response);
  if (response.StatusCode == 404 || IsPassing(response.StatusCode)) {
    return WithRequest(
        {errors::ImdsUnavailable, what,
         "Try again later; with 429, make fewer credentials and share them, since each asks the service for itself"},
        request, response);
  }
  if (!isImds) return WithRequest({errors::NotImds, what, CheckWhatAnswers}, request, response);
  return WithRequest(
      {errors::ImdsRefused, what,
       "Check that the identity is assigned to this machine and that its client, object or resource id is right"},
      request, response);
}

[[noreturn]] void ThrowStatus(ServiceRequest const& request, ServiceResponse const& response) {
  throw Error{StatusDetails(request, response)};
}

/// What becomes of a failure of the transport's.
struct Unanswered {
  Error const& Failure;
  ServiceRequest const& Request;
  /// As `ImdsClient::Place`.
  std::string const& Place;
  /// For how long an answer was waited for.
  std::chrono::milliseconds Waited;
};

ErrorDetails NobodyThere(Unanswered const& request) {
  bool const isSilent = request.Failure.Code() == errors::DeadlineExceeded;
  return {
      errors::ImdsNotReachable,
      "Nobody answers at " + request.Place + " as the instance metadata service: " + request.Request.Name +
          " got no connection" + (isSilent ? " within " + DescribeDuration(request.Waited) : std::string{}),
      "Managed identities work on Azure virtual machines only. If this is one, check that a firewall or a container "
      "network does not block that address, and that AZURE_POD_IDENTITY_AUTHORITY_HOST is right where it is set"};
}

ErrorDetails TooSlow(Unanswered const& request) {
  ErrorDetails details{
      errors::ImdsUnavailable,
      "The instance metadata service at " + request.Place + " took the connection for " + request.Request.Name +
          " and had not answered after " + DescribeDuration(request.Waited),
      "Somebody is there, and too slow: the service is starting or overloaded, or what stands between takes "
      "connections and hands nothing on. Try again later"};
  details.Transient = true;
  return details;
}

ErrorDetails Lost(Unanswered const& request) {
  ErrorDetails details{
      errors::ImdsUnavailable,
      "The instance metadata service at " + request.Place + " took the connection for " + request.Request.Name +
          " and ended it before it had answered, each time",
      "Somebody is there: the service is starting, overloaded, or cut off by what stands between. Try again later"};
  details.Transient = true;
  return details;
}

ErrorDetails NoHttp(Unanswered const& request) {
  return {
      errors::NotImds,
      "What answers at " + request.Place + " is no instance metadata service: its answer to " + request.Request.Name +
          " cannot be read as HTTP (" + request.Failure.Details().What + ")",
      CheckWhatAnswers};
}

/// Only where AZURE_POD_IDENTITY_AUTHORITY_HOST names an https URL.
ErrorDetails NoTls(Unanswered const& request) {
  return {
      errors::ImdsNotReachable,
      "No TLS with what answers at " + request.Place + " as the instance metadata service, for " +
          request.Request.Name + ": " + request.Failure.Details().What,
      request.Failure.Details().Action};
}

ErrorDetails DetailsOf(Unanswered const& request) {
  switch (WhyNoAnswer(request.Failure)) {
    case NoAnswer::NoTls:
      return NoTls(request);
    case NoAnswer::TooSlow:
      return TooSlow(request);
    case NoAnswer::Lost:
      return Lost(request);
    case NoAnswer::NoHttp:
      return NoHttp(request);
    case NoAnswer::NobodyThere:
      break;
  }
  return NobodyThere(request);
}

/// The answer to a probe that found version 1.
ServiceResponse NotFound(ImdsFinding const& finding) {
  ServiceResponse response;
  response.StatusCode = 404;
  response.Attempts = finding.Attempts;
  response.CorrelationId = finding.CorrelationId;
  return response;
}

/// Why it does not say when the token expires.
std::string DescribeExpiry(json::Value const& object) {
  for (char const* const name : {"expires_in", "expires_on"}) {
    auto const* const member = object.Find(name);
    if (member == nullptr) continue;
    auto const text = member->Text() != nullptr ? *member->Text() : member->ToText();
    return std::string{"the field "} + name + " is no number of seconds: " + FirstLine(text) +
           ", or has passed by this clock";
  }
  return "neither expires_in nor expires_on is there";
}

IssuedCredential ReadIssued(ServiceRequest const& request, ServiceResponse const& response) {
  auto const object = ParseAnswer(request, response);
  IssuedCredential issued;
  auto certificate = encoding::FromBase64(RequireString(object, "certificate", request, response));
  if (!certificate) ThrowMalformed(request, response, "the field certificate is not base64");
  issued.Certificate = std::move(*certificate);
  issued.ClientId = RequireString(object, "client_id", request, response);
  issued.TenantId = RequireString(object, "tenant_id", request, response);
  auto origin = ToHttpsOrigin(RequireString(object, "mtls_authentication_endpoint", request, response));
  if (!origin)
    ThrowMalformed(request, response, "the field mtls_authentication_endpoint is no https URL that could be used");
  issued.MtlsEndpoint = std::move(*origin);
  if (auto const endpoint = json::FindString(object, "token_endpoint")) {
    auto checked = ToHttpsEndpoint(*endpoint);
    if (!checked) ThrowMalformed(request, response, "the field token_endpoint is no https URL that could be used");
    issued.TokenEndpoint = std::move(*checked);
  }
  return issued;
}

struct Expectation {
  std::string const& Expected;
  std::string const& Actual;
  char const* Name;
};

/// A certificate for somebody else would be used in that one's name.
void RequireSame(Expectation const& value, ServiceRequest const& request, ServiceResponse const& response) {
  if (EqualsIgnoreCase(value.Expected, value.Actual)) return;
  ThrowMalformed(
      request, response,
      std::string{"the field "} + value.Name + " is " + FirstLine(value.Actual) + " and not " + value.Expected +
          ", which the platform metadata named");
}

/// Without a selector the service may choose the machine's only user-assigned identity; with one it may not choose the
/// machine's own.
void RequireIdentityType(
    ManagedIdentityId const& identity, ServiceRequest const& request, ServiceResponse const& response) {
  auto const type = RequireString(ParseAnswer(request, response), "identity_type", request, response);
  bool const isUsers = EqualsIgnoreCase(type, "UserAssigned");
  bool const isSystems = EqualsIgnoreCase(type, "SystemAssigned");
  bool const fits = identity.GetKind() == ManagedIdentityId::Kind::SystemAssigned ? isUsers || isSystems : isUsers;
  if (fits) return;
  ThrowMalformed(
      request, response,
      "the field identity_type is " + FirstLine(type) + ", and " + identity.ToString() + " was asked for");
}

[[noreturn]] void ThrowKeyRefused(
    ServiceRequest const& request, ServiceResponse const& response, KeyStrength strength) {
  throw Error{WithRequest(
      {errors::MtlsPopRequiresKeyGuard,
       "The instance metadata service issued no certificate for a key of strength " + std::string{ToString(strength)} +
           " (" + DescribeAnswer(response) + "); most likely it accepts KeyGuard keys only",
       "Run on Windows in a Trusted Launch virtual machine with virtualization-based security, with attestation; or "
       "use "
       "token binding \"preferred\" to go on with bearer tokens"},
      request, response)};
}

}  // namespace

ImdsClient::ImdsClient(ImdsOptions options, ServiceClient client)
    : options_(std::move(options)),
      base_(Url::Parse(WithoutTrailingSlash(options_.Endpoint))),
      client_(std::move(client)),
      knowledge_(ImdsKnowledge::Of(client_.SharedTransport(), Normalized(base_))),
      acceptedKeys_(KeyAcceptance::Of(Normalized(base_))) {}

std::string ImdsClient::Place() const { return base_.GetOrigin().ToString() + " (" + options_.EndpointSource + ")"; }

ServiceRequest ImdsClient::MakeRequest(
    char const* name,
    std::string method,
    std::string_view path,
    Version version,
    std::string const& correlationId) const {
  auto const* const apiVersion = version == Version::V2 ? ApiVersion2 : ApiVersion1;
  auto target = Url::Parse(WithoutTrailingSlash(options_.Endpoint) + std::string{path} + "?" + apiVersion);
  ServiceRequest request{name, std::move(method), std::move(target), {}, {}, nullptr, true, correlationId};
  request.Fields.Set("Metadata", "true");
  request.Fields.Set("x-ms-client-request-id", correlationId);
  request.Fields.Set("Accept", "application/json");
  return request;
}

ServiceRequest ImdsClient::Select(ServiceRequest request, std::string_view parameter) const {
  if (options_.Identity.GetKind() == ManagedIdentityId::Kind::SystemAssigned) return request;
  request.Target = request.Target.WithQueryParameter(parameter, options_.Identity.Value());
  return request;
}

ServiceResponse ImdsClient::SendVersion2(ServiceRequest const& request, Context const& context) const {
  if (options_.Identity.GetKind() != ManagedIdentityId::Kind::ResourceId) {
    return Send(Select(request, options_.Identity.QueryParameter()), ImdsRetry(), context);
  }
  auto const name = knowledge_->ResourceIdName();
  auto response = Send(Select(request, name), ImdsRetry(), context);
  if (response.StatusCode == 200) knowledge_->ConfirmResourceIdName(name);
  if (response.StatusCode != 400 || knowledge_->IsResourceIdNameConfirmed()) return response;
  std::string const other = name == NewResourceIdName ? OldResourceIdName : NewResourceIdName;
  auto second = Send(Select(request, other), ImdsRetry(), context);
  second.Attempts += response.Attempts;
  // Only what the other name gets is believed of it: a 400 may be about anything.
  if (second.StatusCode != 200) {
    response.Attempts = second.Attempts;
    return response;
  }
  knowledge_->ConfirmResourceIdName(other);
  return second;
}

ServiceResponse ImdsClient::Send(ServiceRequest const& request, RetryRule const& rule, Context const& context) const {
  int attempts = 0;
  int sent = 0;
  auto const counted = [&](int attempt, AttemptResult const& result) {
    attempts = attempt;
    sent += WasSent(result) ? 1 : 0;
    return rule(attempt, result);
  };
  try {
    return client_.Send(request, counted, context);
  } catch (Error const& error) {
    if (IsOfThisProcess(error) || context.IsExpired()) throw;
    knowledge_->ForgetVersion();
    auto details = DetailsOf({error, request, Place(), request.TimeoutOf(attempts)});
    if (sent > 0) details.CorrelationId = request.CorrelationId;
    details.Attempts = sent;
    std::throw_with_nested(Error{std::move(details)});
  }
}

ImdsFinding ImdsClient::Discover(std::string const& correlationId, Context const& context) const {
  auto const budget = context.WithTimeout(options_.DiscoveryTimeout);
  bool isSomebodyThere = false;
  try {
    return knowledge_->Find({client_.Time(), client_.Random()}, budget, [&](Context const& probing) {
      return Probe(correlationId, isSomebodyThere, probing);
    });
  } catch (Error const& error) {
    if (error.Code() != errors::DeadlineExceeded || context.IsExpired() || context.IsCancelled()) throw;
    auto details = isSomebodyThere
                       ? TooSlow({error, ProbeRequest(correlationId), Place(), options_.DiscoveryTimeout})
                       : ErrorDetails{
                             errors::ImdsNotReachable,
                             "It could not be found out within " + DescribeDuration(options_.DiscoveryTimeout) +
                                 " whether an instance metadata service is at " + Place(),
                             "Check that a firewall or a container network does not block that address; allow more "
                             "time with ManagedIdentityCredentialOptions::CapabilityDiscoveryTimeout"};
    details.CorrelationId = error.Details().CorrelationId;
    details.Attempts = error.Details().Attempts;
    std::throw_with_nested(Error{std::move(details)});
  }
}

ServiceRequest ImdsClient::ProbeRequest(std::string const& correlationId) const {
  auto request = MakeRequest("probe", "GET", PlatformMetadataPath, Version::V2, correlationId);
  request.Fields.Remove("Metadata");
  request.Timeout = ProbeTimeout;
  // Whoever has taken a connection is somebody, and may take as long as all of it may.
  request.LaterTimeout = options_.DiscoveryTimeout;
  return request;
}

ImdsFinding ImdsClient::Probe(std::string const& correlationId, bool& isSomebodyThere, Context const& context) const {
  auto const request = ProbeRequest(correlationId);
  auto const rule = [&isSomebodyThere, retry = ImdsProbeRetry()](int attempt, AttemptResult const& result) {
    isSomebodyThere = result.Failure == nullptr || WhyNoAnswer(*result.Failure) != NoAnswer::NobodyThere;
    return retry(attempt, result);
  };
  return ReadProbe(request, Send(request, rule, context));
}

ImdsFinding ImdsClient::ReadProbe(ServiceRequest const& request, ServiceResponse const& response) const {
  int const status = response.StatusCode;
  bool const isImds = NamesImds(response.Fields);
  bool const isJson = json::ParseObject(response.Body).has_value();
  bool const isPage = !isImds && LooksLikeHtml(response.Body);
  auto const notImds = [&] {
    return WithRequest(
        {errors::NotImds,
         "What answers at " + Place() + " is no instance metadata service: " + DescribeAnswer(response) +
             (isPage ? ", which is a page for people" : ""),
         CheckWhatAnswers},
        request, response);
  };
  ImdsFinding finding;
  finding.CorrelationId = response.CorrelationId;
  finding.Attempts = response.Attempts;
  // What answers without insisting on the header, as some sidecars of identity do, is taken at its word.
  if ((status == 400 && (isImds || isJson)) || (status == 200 && isImds)) {
    finding.Version = ImdsVersion::V2;
  } else if (isPage) {
    throw Error{notImds()};
  } else if (status == 404) {
    finding.Version = ImdsVersion::V1;
  } else if (!IsPassing(status)) {
    finding.Refusal = isImds ? StatusDetails(request, response) : notImds();
  }
  return finding;
}

void ImdsClient::ThrowVersion1(ServiceRequest const& request, ServiceResponse const& response) const {
  throw Error{WithRequest(
      {errors::MtlsPopNotSupportedInImdsV1,
       "The instance metadata service at " + Place() + " is version 1 only and issues no binding certificates",
       "Run on a virtual machine whose host offers IMDS v2, or use token binding \"preferred\" to go on with bearer "
       "tokens"},
      request, response)};
}

void ImdsClient::RequireVersion2(std::string const& correlationId, Context const& context) const {
  auto const finding = Discover(correlationId, context);
  if (finding.Refusal) throw Error{*finding.Refusal};
  if (finding.Version == ImdsVersion::V1) ThrowVersion1(ProbeRequest(correlationId), NotFound(finding));
}

PlatformMetadata ImdsClient::GetPlatformMetadata(std::string const& correlationId, Context const& context) const {
  auto const request = MakeRequest("get_platform_metadata", "GET", PlatformMetadataPath, Version::V2, correlationId);
  auto const response = SendVersion2(request, context);
  if (response.StatusCode == 404) {
    knowledge_->ForgetVersion();
    ThrowVersion1(request, response);
  }
  if (response.StatusCode != 200) ThrowStatus(request, response);
  RequireImds(request, response);
  auto const object = ParseAnswer(request, response);
  PlatformMetadata metadata;
  metadata.ClientId = RequireString(object, "clientId", request, response);
  metadata.TenantId = RequireString(object, "tenantId", request, response);
  if (!IsOneTenant(metadata.TenantId)) ThrowMalformed(request, response, "the field tenantId names no tenant");
  metadata.CuIdJson = ReadCuId(object, request, response);
  auto const& named = RequireString(object, "attestationEndpoint", request, response);
  auto attestation = ToHttpsEndpoint(named);
  if (!attestation) {
    ThrowMalformed(request, response, "the field attestationEndpoint is no https URL that could be used");
  }
  // The attestation library puts its own path behind it: no slash that the service did not write.
  if (named.back() != '/' && attestation->back() == '/') attestation->pop_back();
  metadata.AttestationEndpoint = std::move(*attestation);
  return metadata;
}

IssuedCredential ImdsClient::IssueCredential(
    CredentialRequest const& credential, std::string const& correlationId, Context const& context) const {
  auto request = MakeRequest("issue_credential", "POST", IssueCredentialPath, Version::V2, correlationId);
  std::vector<FormField> fields{{"csr", credential.Csr.Reveal()}};
  if (!credential.AttestationToken.Empty()) {
    fields.emplace_back("attestation_token", credential.AttestationToken.Reveal());
  }
  request.Body = WriteJsonObject(fields);
  request.Fields.Set("Content-Type", "application/json");

  auto const response = SendVersion2(request, context);
  int const status = response.StatusCode;
  if ((status == 400 || status == 403) && credential.Strength < KeyStrength::KeyGuard && NamesImds(response.Fields)) {
    acceptedKeys_->Note(credential.Strength, false);
    ThrowKeyRefused(request, response, credential.Strength);
  }
  if (status != 200) ThrowStatus(request, response);
  RequireImds(request, response);
  auto issued = ReadIssued(request, response);
  RequireSame({credential.ClientId, issued.ClientId, "client_id"}, request, response);
  RequireSame({credential.TenantId, issued.TenantId, "tenant_id"}, request, response);
  RequireIdentityType(options_.Identity, request, response);
  acceptedKeys_->Note(credential.Strength, true);
  return issued;
}

AccessToken ImdsClient::GetBearerToken(
    std::string_view scope, std::string const& correlationId, Context const& context) const {
  // Which version it is does not matter, but whether anybody is there does.
  if (!knowledge_->HasHeardOfSomebody(client_.Time())) Discover(correlationId, context);
  // Refuses what could be read in two ways.
  ToScope(std::string{scope});
  constexpr std::string_view suffix = "/.default";
  bool const isScope = scope.size() > suffix.size() && scope.substr(scope.size() - suffix.size()) == suffix;
  auto request = Select(
      MakeRequest("get_bearer_token", "GET", TokenPath, Version::V1, correlationId),
      options_.Identity.QueryParameter());
  request.Target =
      request.Target.WithQueryParameter("resource", isScope ? scope.substr(0, scope.size() - suffix.size()) : scope);
  AddClientName(request.Fields);

  auto const response = Send(request, ImdsRetry(), context);
  if (response.StatusCode != 200) ThrowStatus(request, response);
  AccessToken token;
  token.Token = response.Token;
  auto const object = ParseAnswer(request, response);
  auto const now = client_.Time().Now();
  auto const expiresOn = ReadExpiry(object, now);
  if (!expiresOn) ThrowMalformed(request, response, DescribeExpiry(object));
  if (token.Token.Empty()) {
    ThrowMalformed(request, response, "the field access_token is missing, or no header can carry it");
  }
  token.ExpiresOn = *expiresOn;
  token.RefreshOn = ReadRefresh(object, now, *expiresOn);
  token.CorrelationId = std::make_shared<std::string const>(correlationId);
  return token;
}

}  // namespace mtlspop
