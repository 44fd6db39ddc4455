// Makes access tokens.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace mtlspop_emulator {

class TokenKey;

struct TokenSubject {
  std::string ClientId;
  std::string ObjectId;
  std::string TenantId;
};

// The issuer's name for a tenant.
std::string IssuerOf(std::string const& tenantId);

// Claims of a token for that audience, valid from now on; `boundX5tS256` empty makes a bearer token's.
nlohmann::json AccessTokenClaims(
    TokenSubject const& subject,
    std::string const& audience,
    std::chrono::seconds lifetime,
    std::string const& boundX5tS256);

}  // namespace mtlspop_emulator
