#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mtlspop/policies/www_authenticate.hpp"
#include "mtlspop/transport/headers.hpp"
#include "mtlspop/transport/url.hpp"

namespace mtlspop {

/// All challenges of a 401, in order.
std::vector<AuthenticationChallenge> ReadChallenges(Headers const& fields);

/// What a resource says about the token it wants.
struct ResourceChallenge {
  /// For example "https://vault.azure.net/.default".
  std::string Scope;
  /// "" where the challenge names none, or one that stands for all.
  std::string TenantId;
};

/// The scope and tenant that `challenges` name; nothing where none of them names a resource or scope.
/// @throw Error `challenge_rejected` where the resource named is not `target` or a domain above it: a token for one
/// service must not be lured to another.
std::optional<ResourceChallenge> FindResourceChallenge(
    std::vector<AuthenticationChallenge> const& challenges, Url const& target);

/// Whether a challenge says `error="invalid_token"`: expired, revoked or otherwise of no use (RFC 6750 section 3.1).
bool SaysThatTokenIsInvalid(std::vector<AuthenticationChallenge> const& challenges) noexcept;

}  // namespace mtlspop
