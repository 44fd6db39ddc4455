#include "token_service.hpp"

#include <nlohmann/json.hpp>

#include "digest.hpp"
#include "entra_error.hpp"
#include "faults.hpp"
#include "token_issuer.hpp"
#include "token_request.hpp"

namespace mtlspop_emulator {
namespace {

using nlohmann::json;

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

std::string ErrorCodeOf(Response const& response) {
  auto const body = ParseJsonObject(response.Body);
  if (!body || !body->contains("error_codes")) {
    return "not_found";
  }
  return "AADSTS" + (*body)["error_codes"][0].dump();
}

}  // namespace

Response TokenService::Handle(Exchange& exchange) {
  auto const& request = exchange.Incoming;
  auto const slash = request.Path.find('/', 1);
  auto const tenant = slash == std::string::npos ? std::string() : request.Path.substr(1, slash - 1);
  auto const rest = slash == std::string::npos ? std::string() : request.Path.substr(slash);
  Response response;
  if (request.Method == "POST" && rest == "/oauth2/v2.0/token") {
    response = Token(exchange, tenant);
  } else if (request.Method == "GET") {
    response = Discovery(request, tenant);
  } else {
    response = EntraError(404, "invalid_request", 900561, "There is no such endpoint.");
  }
  if (response.Status >= 400) {
    exchange.Error = ErrorCodeOf(response);
  }
  response.Set("Cache-Control", "no-store, no-cache");
  response.Set("x-ms-request-id", RandomGuid());
  auto const clientRequestId = request.Find("client-request-id");
  if (!clientRequestId.empty()) {
    response.Set("client-request-id", std::string(clientRequestId));
  }
  return response;
}

Response TokenService::Token(Exchange& exchange, std::string const& tenant) {
  auto const checked = CheckTokenRequest(_world, exchange, tenant);
  if (auto const* refusal = std::get_if<Response>(&checked)) {
    return *refusal;
  }
  auto const& grant = std::get<TokenGrant>(checked);
  exchange.ClientId = grant.Subject.ClientId;
  return Grant(exchange, grant);
}

Response TokenService::Grant(Exchange& exchange, TokenGrant const& grant) {
  auto const& settings = _world.Settings;
  auto const* fault = exchange.ArmedFault.get();
  auto boundX5tS256 = grant.Bound ? exchange.Certificate->X5tS256 : std::string();
  if (fault != nullptr && fault->NoCnf) {
    boundX5tS256.clear();
  } else if (fault != nullptr && fault->WrongCnf) {
    boundX5tS256 = Base64UrlEncode(Sha256(RandomGuid()));
  }
  auto claims = AccessTokenClaims(grant.Subject, grant.Audience, settings.TokenLifetime, boundX5tS256);
  if (!grant.Claims.empty() && !ApplyClaimsRequest(grant.Claims, claims)) {
    return EntraError(400, "invalid_request", 501481, "The claims parameter is no JSON object.");
  }
  auto token = _world.StsKey.Sign(claims);
  if (fault != nullptr && fault->NotAJwt) {
    token = Base64UrlEncode(RandomBytes(96));
  }
  _world.Secrets.Add("token", token);
  std::string const type = grant.Bound ? "mtls_pop" : "Bearer";
  _world.Counters.CountToken(type);
  exchange.Scheme = type;
  exchange.TokenX5tS256 = boundX5tS256;
  json body = {
      {"token_type", type},
      {"expires_in", settings.TokenLifetime.count()},
      {"ext_expires_in", settings.TokenLifetime.count()},
      {"access_token", token}};
  if (settings.TokenRefreshIn) {
    body["refresh_in"] = settings.TokenRefreshIn->count();
  }
  return JsonResponse(200, body);
}

Response TokenService::Discovery(Request const& request, std::string const& tenant) const {
  std::string const base = "https://" + std::string(request.Find("Host"));
  if (EndsWith(request.Path, "/.well-known/openid-configuration")) {
    return JsonResponse(
        200, {{"token_endpoint", base + "/" + tenant + "/oauth2/v2.0/token"},
              {"authorization_endpoint", base + "/" + tenant + "/oauth2/v2.0/authorize"},
              {"issuer", IssuerOf(tenant)},
              {"jwks_uri", base + "/common/discovery/v2.0/keys"},
              {"tls_client_certificate_bound_access_tokens", true}});
  }
  if (EndsWith(request.Path, "/discovery/v2.0/keys")) {
    return JsonResponse(200, _world.StsKey.KeySet());
  }
  if (EndsWith(request.Path, "/discovery/instance")) {
    return JsonResponse(
        200, {{"tenant_discovery_endpoint", base + "/" + tenant + "/v2.0/.well-known/openid-configuration"},
              {"api-version", "1.1"},
              {"metadata",
               {{{"preferred_network", "login.microsoftonline.com"},
                 {"preferred_cache", "login.windows.net"},
                 {"aliases", {"login.microsoftonline.com", "login.windows.net"}}}}}});
  }
  return EntraError(404, "invalid_request", 900561, "There is no such endpoint.");
}

}  // namespace mtlspop_emulator
