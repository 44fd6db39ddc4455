#include "resource_guard.hpp"

#include <nlohmann/json.hpp>
#include <optional>

#include "clock.hpp"
#include "faults.hpp"
#include "token_issuer.hpp"

namespace mtlspop_emulator {
namespace {

using nlohmann::json;
using Refusal = std::optional<ResourceRefusal>;

constexpr std::string_view BoundScheme = "mtls_pop";

struct Authorization {
  std::string_view Scheme;
  std::string_view Token;
};

Authorization Parse(Request const& request) {
  auto const header = request.Find("Authorization");
  auto const space = header.find(' ');
  if (space == std::string_view::npos) {
    return {header, {}};
  }
  return {header.substr(0, space), header.substr(space + 1)};
}

Refusal Refuse(std::string code, std::string message, std::string challengeParameters = {}) {
  return ResourceRefusal{401, std::move(code), std::move(message), std::move(challengeParameters)};
}

Refusal InvalidToken(std::string const& reason) {
  return Refuse("InvalidToken", reason, "error=\"invalid_token\", error_description=\"" + reason + "\"");
}

Refusal CheckToken(json const& claims, std::string const& audience) {
  if (StringClaim(claims, "aud") != audience) {
    return InvalidToken("the token is for another audience");
  }
  if (StringClaim(claims, "iss") != IssuerOf(StringClaim(claims, "tid"))) {
    return InvalidToken("the token is from another issuer");
  }
  if (auto const invalid = InvalidNow(claims)) {
    return InvalidToken(*invalid);
  }
  return std::nullopt;
}

// The heart of the emulator: the certificate on this connection is the one in the token.
Refusal CheckBinding(Exchange& exchange, ResourceHabits const& habits, bool refuseExpired) {
  auto const* certificate = exchange.Certificate.get();
  if (certificate == nullptr) {
    return Refuse("MissingClientCertificate", "A bound token needs its client certificate on the connection.");
  }
  if (habits.NeedsBoundHeader && !EqualsIgnoringCase(exchange.Incoming.Find("x-ms-tokenboundauth"), "true")) {
    return Refuse({}, "Client certificate required for using MTLS_POP token");
  }
  if (exchange.ArmedFault && exchange.ArmedFault->RefusesBinding) {
    return Refuse("AggregatedAuthenticationFailure", "Error validating token: 'S2S17001'.");
  }
  if (exchange.TokenX5tS256.empty()) {
    return Refuse("MissingCnfClaim", "The token is not bound to a certificate.");
  }
  if (exchange.TokenX5tS256 != certificate->X5tS256) {
    exchange.Mismatch = true;
    return Refuse(
        "MtlsCnfClaimRequestDataValidationFailed",
        "The certificate of the connection is not the one that the token's cnf claim names.");
  }
  bool const valid = certificate->NotBefore <= Now() && Now() < certificate->NotAfter;
  if (refuseExpired && !valid) {
    return Refuse("ExpiredClientCertificate", "The client certificate is not within its validity.");
  }
  return std::nullopt;
}

Refusal CheckScheme(Exchange& exchange, ResourceHabits const& habits, Options const& settings) {
  if (exchange.Scheme == BoundScheme) {
    return CheckBinding(exchange, habits, settings.VaultRefusesExpiredCertificates);
  }
  if (!exchange.TokenX5tS256.empty()) {
    return Refuse("MissingClientCertificate", "A bound token is not accepted as a bearer token.");
  }
  if (!settings.AllowBearer) {
    return Refuse(std::string(habits.BearerCode), "Only bound tokens are accepted.");
  }
  return std::nullopt;
}

Refusal CheckChallenge(Exchange const& exchange, json const& claims, ClaimsChallenge const& challenge) {
  bool const fault = exchange.ArmedFault && exchange.ArmedFault->ClaimsChallenge;
  if (challenge.IsSatisfiedBy(claims) && !fault) {
    return std::nullopt;
  }
  return Refuse(
      "InsufficientClaims", "Continuous access evaluation demands a new token.",
      "error=\"insufficient_claims\", claims=\"" + challenge.Encoded() + "\"");
}

}  // namespace

bool ResourceGuard::CarriesBoundToken(Request const& request) {
  return EqualsIgnoringCase(Parse(request).Scheme, BoundScheme);
}

std::variant<Admitted, ResourceRefusal> ResourceGuard::Check(Exchange& exchange, std::string const& audience) const {
  auto const authorization = Parse(exchange.Incoming);
  bool const bound = EqualsIgnoringCase(authorization.Scheme, BoundScheme);
  if (!bound && !EqualsIgnoringCase(authorization.Scheme, "Bearer")) {
    return *Refuse("MissingToken", "AKV10000: Request is missing a Bearer or PoP token.");
  }
  exchange.Scheme = bound ? "mtls_pop" : "Bearer";
  auto const claims = _world.StsKey.Verify(authorization.Token);
  if (claims) {
    exchange.TokenX5tS256 = BoundX5tS256(*claims);
    exchange.ClientId = StringClaim(*claims, "appid");
  }
  // Without a certificate the refusal is the same whatever the token.
  if (bound && !exchange.Certificate) {
    return *CheckBinding(exchange, _habits, false);
  }
  if (!claims) {
    return *InvalidToken("the token's signature is not valid");
  }
  if (auto refusal = CheckToken(*claims, audience)) {
    return *refusal;
  }
  if (auto refusal = CheckScheme(exchange, _habits, _world.Settings)) {
    return *refusal;
  }
  if (auto refusal = CheckChallenge(exchange, *claims, _world.Challenge)) {
    return *refusal;
  }
  auto const clientId = StringClaim(*claims, "appid");
  if (!_world.People.HasVaultAccess(clientId)) {
    return ResourceRefusal{403, "ForbiddenByPolicy", "The identity " + clientId + " has no grant here.", {}};
  }
  return Admitted{clientId};
}

}  // namespace mtlspop_emulator
