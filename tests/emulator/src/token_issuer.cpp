#include "token_issuer.hpp"

#include <nlohmann/json.hpp>

#include "clock.hpp"
#include "digest.hpp"
#include "encoding.hpp"

namespace mtlspop_emulator {

std::string IssuerOf(std::string const& tenantId) { return "https://sts.windows.net/" + tenantId + "/"; }

nlohmann::json AccessTokenClaims(
    TokenSubject const& subject,
    std::string const& audience,
    std::chrono::seconds lifetime,
    std::string const& boundX5tS256) {
  auto const now = Now();
  nlohmann::json claims = {
      {"aud", audience},
      {"iss", IssuerOf(subject.TenantId)},
      {"iat", now},
      {"nbf", now},
      {"exp", now + lifetime.count()},
      {"appid", subject.ClientId},
      {"appidacr", "2"},
      {"idtyp", "app"},
      {"oid", subject.ObjectId},
      {"sub", subject.ObjectId},
      {"tid", subject.TenantId},
      {"uti", Base64UrlEncode(RandomBytes(16))},
      {"ver", "1.0"}};
  if (!boundX5tS256.empty()) {
    claims["cnf"] = {{"x5t#S256", boundX5tS256}};
  }
  return claims;
}

}  // namespace mtlspop_emulator
