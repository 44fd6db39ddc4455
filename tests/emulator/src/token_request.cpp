#include "token_request.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "client_assertion.hpp"
#include "clock.hpp"
#include "entra_error.hpp"
#include "service.hpp"
#include "world.hpp"

namespace mtlspop_emulator {
namespace {

using Refusal = std::optional<Response>;

constexpr std::string_view DefaultScope = "/.default";
constexpr std::string_view ExchangeAudience = "api://AzureADTokenExchange";
constexpr std::string_view JwtPop = "urn:ietf:params:oauth:client-assertion-type:jwt-pop";
constexpr std::string_view JwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

Response InvalidRequest(unsigned code, std::string_view text) { return EntraError(400, "invalid_request", code, text); }

Response InvalidClient(unsigned code, std::string_view text) { return EntraError(401, "invalid_client", code, text); }

class TokenRequestCheck {
 public:
  TokenRequestCheck(World& world, Exchange& exchange, std::string const& tenant)
      : _world(world),
        _exchange(exchange),
        _tenant(tenant),
        _form(ParseParameters(exchange.Incoming.Body)),
        _clientId(Value("client_id")) {}

  std::variant<TokenGrant, Response> Run() {
    for (auto const check :
         {&TokenRequestCheck::CheckShape, &TokenRequestCheck::CheckCertificate, &TokenRequestCheck::CheckClient,
          &TokenRequestCheck::CheckScope}) {
      if (auto refusal = (this->*check)()) {
        return *refusal;
      }
    }
    return _grant;
  }

 private:
  std::string Value(std::string_view name) const { return OnlyValueOf(_form, name).value_or(""); }
  Refusal CheckShape();
  Refusal CheckCertificate();
  Refusal CheckClient();
  Refusal CheckIdentity(Identity const& identity);
  Refusal CheckApp(App const& app);
  Refusal CheckRegistered(App const& app) const;
  Refusal CheckOwnAssertion(App const& app);
  Refusal CheckAssertion(App const& app);
  Refusal CheckScope();
  bool IsIssuedByUs() const;

  World& _world;
  Exchange& _exchange;
  std::string const& _tenant;
  Parameters const _form;
  std::string const _clientId;
  TokenGrant _grant;
};

Refusal TokenRequestCheck::CheckShape() {
  auto const type = _exchange.Incoming.Find("Content-Type");
  if (!EqualsIgnoringCase(type.substr(0, 33), "application/x-www-form-urlencoded")) {
    return InvalidRequest(900144, "The request body must be application/x-www-form-urlencoded.");
  }
  for (auto const& [name, value] : _form) {
    if (ValuesOf(_form, name).size() > 1) {
      return InvalidRequest(90100, "The parameter '" + name + "' is duplicated.");
    }
  }
  for (char const* const name : {"grant_type", "client_id", "scope"}) {
    if (Value(name).empty()) {
      return InvalidRequest(
          900144, "The request body must contain the following parameter: '" + std::string(name) + "'.");
    }
  }
  if (Value("grant_type") != "client_credentials") {
    return EntraError(400, "unsupported_grant_type", 70003, "The grant type is not supported.");
  }
  if (_tenant == "common" || _tenant == "organizations" || _tenant == "consumers") {
    return InvalidRequest(50194, "The endpoint '" + _tenant + "' is not allowed for client credentials.");
  }
  if (!_world.People.HasTenant(_tenant)) {
    return InvalidRequest(90002, "Tenant '" + _tenant + "' not found.");
  }
  auto const tokenType = OnlyValueOf(_form, "token_type");
  if (tokenType && *tokenType != "mtls_pop" && *tokenType != "bearer") {
    return InvalidRequest(901001, "The token_type '" + *tokenType + "' is not supported.");
  }
  _grant.Bound = tokenType == "mtls_pop";
  _grant.Claims = Value("claims");
  return std::nullopt;
}

Refusal TokenRequestCheck::CheckCertificate() {
  auto const* certificate = _exchange.Certificate.get();
  if (certificate == nullptr) {
    return InvalidClient(7000218, "No client certificate was presented on this connection.");
  }
  if (certificate->NotAfter <= Now()) {
    return InvalidClient(
        1000901, "The certificate is no longer valid for obtaining tokens: token_not_after has passed.");
  }
  if (certificate->NotBefore > Now()) {
    return InvalidClient(700024, "The certificate is not within its valid time range.");
  }
  if (!certificate->AllowsClientAuth) {
    return InvalidClient(700027, "The certificate's usage does not allow client authentication.");
  }
  return std::nullopt;
}

bool TokenRequestCheck::IsIssuedByUs() const {
  auto const& der = _exchange.Certificate->Der;
  auto const* bytes = reinterpret_cast<unsigned char const*>(der.data());
  CertificatePtr const certificate(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
  return certificate && _world.Authority.HasIssued(certificate.get());
}

Refusal TokenRequestCheck::CheckClient() {
  if (auto const* identity = _world.People.FindByClientId(_clientId)) {
    return CheckIdentity(*identity);
  }
  if (auto const app = _world.People.FindApp(_clientId)) {
    return CheckApp(*app);
  }
  return EntraError(
      400, "unauthorized_client", 700016, "Application with identifier '" + _clientId + "' was not found.");
}

Refusal TokenRequestCheck::CheckIdentity(Identity const& identity) {
  auto const& certificate = *_exchange.Certificate;
  if (!OnlyValueOf(_form, "client_assertion").value_or("").empty()) {
    return InvalidRequest(70002, "client_assertion must be absent: the TLS certificate is the credential.");
  }
  if (Value("token_type").empty()) {
    return InvalidRequest(900144, "The request body must contain the following parameter: 'token_type'.");
  }
  if (!IsIssuedByUs() || certificate.CommonName != identity.ClientId) {
    return InvalidClient(700027, "The certificate presented is not this managed identity's.");
  }
  if (_tenant != identity.TenantId || certificate.DomainComponent != identity.TenantId) {
    return EntraError(
        400, "unauthorized_client", 700016, "The identity was not found in the directory '" + _tenant + "'.");
  }
  _grant.Subject = {identity.ClientId, identity.ObjectId, identity.TenantId};
  return std::nullopt;
}

Refusal TokenRequestCheck::CheckApp(App const& app) {
  if (app.TenantId != _tenant) {
    return EntraError(400, "unauthorized_client", 700016, "The app was not found in the directory '" + _tenant + "'.");
  }
  if (!app.MtlsEnabled) {
    return EntraErrorByCode("AADSTS51000");
  }
  _grant.Subject = {app.ClientId, app.ObjectId, app.TenantId};
  if (Value("token_type") == "bearer") {
    return InvalidRequest(901001, "The token_type 'bearer' is for managed identities; an app leaves it out.");
  }
  bool const isRegistered = app.CertificatesX5tS256.count(_exchange.Certificate->X5tS256) != 0;
  if (Value("client_assertion_type") == JwtBearer && isRegistered) {
    return CheckOwnAssertion(app);
  }
  if (!Value("client_assertion").empty()) {
    return CheckAssertion(app);
  }
  if (!_grant.Bound) {
    return InvalidClient(7000216, "client_assertion is required for a bearer token.");
  }
  return CheckRegistered(app);
}

Refusal TokenRequestCheck::CheckRegistered(App const& app) const {
  if (app.CertificatesX5tS256.count(_exchange.Certificate->X5tS256) == 0) {
    return InvalidClient(700027, "The certificate presented is not registered on the application.");
  }
  return std::nullopt;
}

// An app with a certificate of its own proves itself twice for a bearer token: by TLS and by a JWT.
Refusal TokenRequestCheck::CheckOwnAssertion(App const& app) {
  auto const assertion = Value("client_assertion");
  _world.Secrets.Add("client_assertion", assertion);
  if (_grant.Bound) {
    return InvalidRequest(70002, "client_assertion must be absent: the TLS certificate is the credential.");
  }
  auto const& request = _exchange.Incoming;
  AssertionTerms const terms{app.ClientId, "https://" + std::string(request.Find("Host")) + request.Path};
  if (auto const flaw = FlawOfClientAssertion(assertion, terms, *_exchange.Certificate)) {
    return InvalidClient(50013, "The assertion is not accepted: " + *flaw + ".");
  }
  return std::nullopt;
}

// Leg 2 of the federated exchange: leg 1's token, over leg 1's certificate.
Refusal TokenRequestCheck::CheckAssertion(App const& app) {
  auto const assertion = Value("client_assertion");
  _world.Secrets.Add("client_assertion", assertion);
  if (!app.Federated) {
    return InvalidClient(70021, "No matching federated identity record was found for the assertion.");
  }
  if (Value("client_assertion_type") != JwtPop) {
    return InvalidRequest(70002, "client_assertion_type must be " + std::string(JwtPop) + ".");
  }
  auto const claims = _world.StsKey.Verify(assertion);
  if (!claims) {
    return InvalidClient(50013, "The assertion's signature is invalid.");
  }
  if (auto const invalid = InvalidNow(*claims)) {
    return InvalidClient(700024, "The assertion is not within its valid time range: " + *invalid + ".");
  }
  if (StringClaim(*claims, "aud") != ExchangeAudience) {
    return InvalidClient(700212, "The assertion's audience is not " + std::string(ExchangeAudience) + ".");
  }
  _exchange.TokenX5tS256 = BoundX5tS256(*claims);
  if (_exchange.TokenX5tS256 != _exchange.Certificate->X5tS256) {
    _exchange.Mismatch = !_exchange.TokenX5tS256.empty();
    return EntraErrorByCode("AADSTS500181");
  }
  return std::nullopt;
}

Refusal TokenRequestCheck::CheckScope() {
  auto const scope = Value("scope");
  bool const isDefault = scope.size() > DefaultScope.size() &&
                         scope.compare(scope.size() - DefaultScope.size(), DefaultScope.size(), DefaultScope) == 0;
  if (!isDefault || scope.find(' ') != std::string::npos) {
    return EntraError(
        400, "invalid_scope", 1002012,
        "The provided value for scope " + scope + " is not valid: it must be one resource and /.default.");
  }
  _grant.Audience = scope.substr(0, scope.size() - DefaultScope.size());
  auto const& bearerOnly = _world.Settings.BearerOnlyResources;
  if (_grant.Bound && std::find(bearerOnly.begin(), bearerOnly.end(), _grant.Audience) != bearerOnly.end()) {
    return EntraErrorByCode("AADSTS392196");
  }
  return std::nullopt;
}

}  // namespace

std::variant<TokenGrant, Response> CheckTokenRequest(World& world, Exchange& exchange, std::string const& tenant) {
  return TokenRequestCheck(world, exchange, tenant).Run();
}

}  // namespace mtlspop_emulator
