// Decides whether a token request may be granted, and to whom.
#pragma once

#include <string>
#include <variant>

#include "http_message.hpp"
#include "token_issuer.hpp"

namespace mtlspop_emulator {

struct Exchange;
struct World;

struct TokenGrant {
  TokenSubject Subject;
  std::string Audience;
  std::string Claims;  // The claims parameter, empty where absent.
  bool Bound = false;  // token_type=mtls_pop was asked for.
};

// The grant, or the service's refusal.
std::variant<TokenGrant, Response> CheckTokenRequest(World& world, Exchange& exchange, std::string const& tenant);

}  // namespace mtlspop_emulator
