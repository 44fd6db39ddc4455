#include "imds_service.hpp"

#include <nlohmann/json.hpp>

#include "attestation_service.hpp"
#include "certificate_request.hpp"
#include "clock.hpp"
#include "digest.hpp"
#include "faults.hpp"
#include "token_issuer.hpp"

namespace mtlspop_emulator {
namespace {

using nlohmann::json;

constexpr std::string_view PlatformMetadataPath = "/metadata/identity/getplatformmetadata";
constexpr std::string_view IssueCredentialPath = "/metadata/identity/issuecredential";
constexpr std::string_view TokenPath = "/metadata/identity/oauth2/token";
constexpr std::string_view ComputePath = "/metadata/instance/compute";

Response ImdsError(unsigned status, std::string_view error, std::string const& description) {
  return JsonResponse(status, {{"error", error}, {"error_description", description}});
}

Response BadRequest(std::string const& description) { return ImdsError(400, "invalid_request", description); }

// Compact, vmId before vmssId, as the certificate request must repeat it.
std::string MakeCuId(std::string const& members) {
  std::string text;
  if (members != "vmssId") {
    text += "\"vmId\":\"" + DerivedGuid("vm") + "\"";
  }
  if (members != "vmId") {
    text += (text.empty() ? "" : ",") + std::string("\"vmssId\":\"") + DerivedGuid("vmss") + "\"";
  }
  return "{" + text + "}";
}

std::string StringMember(json const& body, char const* name) {
  auto const found = body.find(name);
  return found != body.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

ImdsService::ImdsService(World& world) : _world(world), _cuId(MakeCuId(world.Settings.CuId)) {}

Response ImdsService::Handle(Exchange& exchange) {
  auto response = Dispatch(exchange);
  response.Set("Server", "IMDS/150.870.65.1854");
  response.Set("x-ms-request-id", RandomGuid());
  if (response.Status >= 400) {
    auto const body = ParseJsonObject(response.Body);
    exchange.Error = body ? StringMember(*body, "error") : "not_found";
  }
  return response;
}

bool ImdsService::IsThrottled() {
  auto const& limit = _world.Settings.ImdsThrottle;
  if (limit.Requests == 0) {
    return false;
  }
  auto const now = std::chrono::steady_clock::now();
  std::lock_guard const lock(_throttleMutex);
  while (!_recent.empty() && now - _recent.front() >= limit.Period) {
    _recent.pop_front();
  }
  // Refused requests count too, so that hammering prolongs the punishment.
  _recent.push_back(now);
  if (_recent.size() > limit.Requests + 1) {
    _recent.pop_front();
    return true;
  }
  return _recent.size() > limit.Requests;
}

Response ImdsService::Dispatch(Exchange& exchange) {
  auto const& request = exchange.Incoming;
  bool const v2 = request.Path == PlatformMetadataPath || request.Path == IssueCredentialPath;
  bool const v1 = request.Path == TokenPath || request.Path == ComputePath;
  if ((!v2 && !v1) || (v2 && !_world.Settings.ImdsV2)) {
    return ImdsError(404, "not_found", "The requested resource was not found");
  }
  if (IsThrottled()) {
    return ImdsError(429, "too_many_requests", "Temporarily throttled, too many requests");
  }
  if (!EqualsIgnoringCase(request.Find("Metadata"), "true")) {
    return BadRequest("Required metadata header not specified");
  }
  if (request.Has("X-Forwarded-For")) {
    return BadRequest("Requests with an X-Forwarded-For header are not allowed");
  }
  auto const parameters = request.QueryParameters();
  std::string const versionName = v2 ? "cred-api-version" : "api-version";
  bool const compute = request.Path == ComputePath;
  auto const version = OnlyValueOf(parameters, versionName);
  if (compute ? version != "2021-02-01" && version != "2021-12-13" : version != (v2 ? "2.0" : "2018-02-01")) {
    return BadRequest(versionName + " is missing or not supported");
  }
  std::string_view const method = request.Path == IssueCredentialPath ? "POST" : "GET";
  if (request.Method != method) {
    return ImdsError(405, "method_not_allowed", "The method must be " + std::string(method));
  }
  if (compute) {
    return JsonResponse(
        200, {{"location", _world.Settings.Region},
              {"vmSize", "Standard_D2s_v5"},
              {"securityProfile",
               {{"secureBootEnabled", "true"}, {"securityType", "TrustedLaunch"}, {"virtualTpmEnabled", "true"}}}});
  }
  auto const selected = SelectIdentity(parameters, v2 ? _world.Settings.ResourceIdName : "msi_res_id");
  if (auto const* refusal = std::get_if<Response>(&selected)) {
    return *refusal;
  }
  auto const& identity = *std::get<Identity const*>(selected);
  exchange.ClientId = identity.ClientId;
  if (request.Path == PlatformMetadataPath) {
    return PlatformMetadata(identity);
  }
  return request.Path == IssueCredentialPath ? IssueCredential(exchange, identity) : BearerToken(exchange, identity);
}

std::variant<Identity const*, Response> ImdsService::SelectIdentity(
    Parameters const& parameters, std::string const& resourceIdName) const {
  auto const& people = _world.People;
  Identity const* found = people.SystemAssigned();
  int selectors = 0;
  for (auto const& [name, value] : parameters) {
    bool const resource = name == "msi_res_id" || name == "mi_res_id";
    if (name != "client_id" && name != "object_id" && !resource) {
      continue;
    }
    if (resource && name != resourceIdName) {
      return BadRequest("Unsupported query variables: " + name);
    }
    ++selectors;
    found = resource              ? people.FindByResourceId(value)
            : name == "client_id" ? people.FindByClientId(value)
                                  : people.FindByObjectId(value);
  }
  if (selectors > 1) {
    return BadRequest("Only one of client_id, object_id and " + resourceIdName + " may be given");
  }
  if (found == nullptr) {
    return BadRequest("Identity not found");
  }
  return found;
}

Response ImdsService::PlatformMetadata(Identity const& identity) const {
  return JsonResponse(
      200, {{"clientId", identity.ClientId},
            {"tenantId", identity.TenantId},
            {"cuId", json::parse(_cuId)},
            {"attestationEndpoint", _world.Urls.Attestation}});
}

// Empty where the attestation is in order or not needed.
std::string ImdsService::AttestationFlaw(json const& body, EVP_PKEY* publicKey) const {
  if (body.contains("attestation_token")) {
    return FlawOfAttestation(_world, StringMember(body, "attestation_token"), publicKey);
  }
  if (_world.Settings.RequireAttestation) {
    return "attestation_token: is required";
  }
  if (_world.Settings.Accept == KeyStrength::Hardware) {
    return "attestation_token: is missing, and keys that are not attested to live in hardware are not accepted";
  }
  if (_world.Settings.Accept == KeyStrength::KeyGuard) {
    return "attestation_token: is missing, and keys that are not attested to live in KeyGuard are not accepted";
  }
  return {};
}

Response ImdsService::IssueCredential(Exchange& exchange, Identity const& identity) {
  auto const& request = exchange.Incoming;
  if (!EqualsIgnoringCase(request.Find("Content-Type").substr(0, 16), "application/json")) {
    return BadRequest("content-type: is not application/json");
  }
  auto const body = ParseJsonObject(request.Body);
  if (!body) {
    return BadRequest("body: is not a JSON object");
  }
  for (auto const& [name, value] : body->items()) {
    if ((name != "csr" && name != "attestation_token") || !value.is_string()) {
      return BadRequest("body: '" + name + "' is no known member, or no string");
    }
  }
  auto const csr = StringMember(*body, "csr");
  _world.Secrets.Add("csr", csr);
  _world.Secrets.Add("attestation_token", StringMember(*body, "attestation_token"));
  auto const checked = CheckCertificateRequest(csr, identity, _cuId, _world.Settings.OnlyNetRequests);
  if (auto const* flaw = std::get_if<RequestFlaw>(&checked)) {
    return BadRequest(flaw->Text);
  }
  auto* const key = std::get<KeyPtr>(checked).get();
  auto const flaw = AttestationFlaw(*body, key);
  if (!flaw.empty()) {
    return BadRequest(flaw);
  }
  return Credential(exchange, identity, key);
}

Response ImdsService::Credential(Exchange& exchange, Identity const& identity, EVP_PKEY* publicKey) {
  auto const& settings = _world.Settings;
  auto const* fault = exchange.ArmedFault.get();
  bool const longLived = settings.CertificateLifetime >= std::chrono::hours(1);
  BindingCertificateTerms terms;
  terms.Lifetime = settings.CertificateLifetime;
  // Short lives are for tests of rotation, which a long past would upset.
  terms.Backdate = settings.CertificateBackdate.value_or(longLived ? std::chrono::minutes(5) : std::chrono::minutes(0));
  KeyPtr otherKey;
  if (fault != nullptr) {
    terms.ForClientAuth = !fault->CertificateWithoutClientAuth;
    if (fault->ExpiredCertificate) {
      terms.Backdate = std::chrono::hours(2);
      terms.Lifetime = std::chrono::hours(-1);
    }
    if (fault->CertificateForOtherKey) {
      otherKey.reset(EVP_RSA_gen(2048));
    }
  }
  auto const certificate = _world.Authority.Issue(identity, otherKey ? otherKey.get() : publicKey, terms);
  _world.Counters.CountCredential(identity.ClientId);
  exchange.IssuedX5tS256 = X5tS256Of(certificate.get());
  _world.Issued.Add({exchange.IssuedX5tS256, identity.ClientId, Now() + terms.Lifetime.count()});
  return JsonResponse(
      200, {{"certificate", Base64Encode(DerOf(certificate.get()))},
            {"client_id", identity.ClientId},
            {"tenant_id", identity.TenantId},
            {"identity_type", identity.SystemAssigned ? "SystemAssigned" : "UserAssigned"},
            {"mtls_authentication_endpoint",
             settings.StsEndpointName.empty() ? _world.Urls.Sts : "https://" + settings.StsEndpointName}});
}

Response ImdsService::BearerToken(Exchange& exchange, Identity const& identity) {
  auto const resource = OnlyValueOf(exchange.Incoming.QueryParameters(), "resource");
  if (!resource || resource->empty()) {
    return BadRequest("Required audience parameter not specified");
  }
  auto const lifetime = _world.Settings.TokenLifetime;
  auto const token = _world.StsKey.Sign(
      AccessTokenClaims({identity.ClientId, identity.ObjectId, identity.TenantId}, *resource, lifetime, std::string()));
  _world.Secrets.Add("token", token);
  _world.Counters.CountToken("Bearer (IMDS v1)");
  exchange.Scheme = "Bearer";
  auto const now = Now();
  json body = {
      {"access_token", token},
      {"client_id", identity.ClientId},
      {"expires_in", std::to_string(lifetime.count())},
      {"expires_on", std::to_string(now + lifetime.count())},
      {"ext_expires_in", std::to_string(lifetime.count())},
      {"not_before", std::to_string(now)},
      {"resource", *resource},
      {"token_type", "Bearer"}};
  if (_world.Settings.TokenRefreshIn) {
    body["refresh_in"] = std::to_string(_world.Settings.TokenRefreshIn->count());
  }
  return JsonResponse(200, body);
}

}  // namespace mtlspop_emulator
