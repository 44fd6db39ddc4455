#include "resource_challenge.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/plain_scope.hpp"
#include "mtlspop/policies/errors.hpp"
#include "mtlspop/transport/headers.hpp"
#include "mtlspop/transport/redact.hpp"

namespace mtlspop {
namespace {

constexpr std::string_view DefaultScopeSuffix = "/.default";

bool CarriesTokens(AuthenticationChallenge const& challenge) noexcept {
  return EqualsIgnoreCase(challenge.Scheme, "Bearer") || EqualsIgnoreCase(challenge.Scheme, "mtls_pop") ||
         EqualsIgnoreCase(challenge.Scheme, "PoP");
}

std::string FirstOf(AuthenticationChallenge const& challenge, std::initializer_list<std::string_view> names) {
  for (auto const name : names) {
    if (auto const* const value = challenge.Find(name); value != nullptr && !value->empty()) return *value;
  }
  return {};
}

[[noreturn]] void Reject(Url const& target, std::string_view what) {
  throw Error{
      {errors::ChallengeRejected, target.Host() + " asked for a token " + Redact(what),
       "Check that the URL is the resource's own and that nothing between rewrites its answers; where the resource "
       "really "
       "takes tokens for another name, give the scopes in the options",
       401}};
}

std::string ScopeOf(AuthenticationChallenge const& challenge) {
  if (auto scope = FirstOf(challenge, {"scope"}); !scope.empty()) return scope;
  auto scope = FirstOf(challenge, {"resource", "resource_id"});
  if (scope.empty()) return scope;
  while (!scope.empty() && scope.back() == '/') scope.pop_back();
  return scope.append(DefaultScopeSuffix);
}

bool IsSameOrBelow(std::string_view host, std::string_view domain) noexcept {
  if (host == domain) return true;
  return host.size() > domain.size() && host[host.size() - domain.size() - 1] == '.' &&
         host.substr(host.size() - domain.size()) == domain;
}

void RefuseForeignResource(std::string const& scope, Url const& target) {
  // What is sent is this text, and not what the URL's reader makes of it.
  if (!IsPlainScope(scope)) Reject(target, "for a resource that could be read in two ways: \"" + scope + '"');
  std::optional<Url> resource;
  try {
    resource = Url::Parse(scope);
  } catch (Error const&) {
    Reject(target, "for a resource that is no URL: \"" + scope + '"');
  }
  auto const& domain = resource->Host();
  auto const isDomain = domain.find('.') != std::string::npos || domain == target.Host();
  if (!resource->IsHttps() || !isDomain || !IsSameOrBelow(target.Host(), domain)) {
    Reject(target, "for another resource: \"" + scope + '"');
  }
}

// Names that token services reserve for whatever tenant the user is of.
bool StandsForAll(std::string_view tenant) noexcept {
  constexpr std::array<std::string_view, 4> Reserved{"common", "organizations", "consumers", "adfs"};
  return std::any_of(
      Reserved.begin(), Reserved.end(), [tenant](std::string_view name) { return EqualsIgnoreCase(name, tenant); });
}

std::string TenantOf(AuthenticationChallenge const& challenge, Url const& target) {
  auto const text = FirstOf(challenge, {"authorization", "authorization_uri"});
  if (text.empty()) return {};
  if (!IsPlainScope(text)) Reject(target, "from a token service that could be read in two ways: \"" + text + '"');
  std::optional<Url> authority;
  try {
    authority = Url::Parse(text);
  } catch (Error const&) {
    Reject(target, "from a token service that is no URL: \"" + text + '"');
  }
  if (!authority->IsHttps()) Reject(target, "from a token service that is not https: \"" + text + '"');
  auto const path = authority->Path().substr(1);
  auto const tenant = path.substr(0, path.find('/'));
  auto const isPlain = std::all_of(tenant.begin(), tenant.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '.';
  });
  // A tenant is a GUID or a domain name, which has at most 253 characters.
  auto const isDots = !tenant.empty() && tenant.find_first_not_of('.') == std::string_view::npos;
  if (!isPlain || isDots || tenant.size() > 253) {
    Reject(target, "from a tenant with a strange name: \"" + std::string{tenant.substr(0, 300)} + '"');
  }
  return StandsForAll(tenant) ? std::string{} : std::string{tenant};
}

// "" for what is neither base64 nor base64url.
std::string DecodeBase64(std::string_view text) {
  auto const bytes = encoding::FromAnyBase64(text);
  return bytes ? std::string{bytes->begin(), bytes->end()} : std::string{};
}

}  // namespace

std::vector<AuthenticationChallenge> ReadChallenges(Headers const& fields) {
  std::vector<AuthenticationChallenge> challenges;
  for (auto const value : fields.GetAll("WWW-Authenticate")) {
    auto more = ParseWwwAuthenticate(value);
    std::move(more.begin(), more.end(), std::back_inserter(challenges));
  }
  return challenges;
}

std::optional<ResourceChallenge> FindResourceChallenge(
    std::vector<AuthenticationChallenge> const& challenges, Url const& target) {
  for (auto const& challenge : challenges) {
    if (!CarriesTokens(challenge)) continue;
    auto scope = ScopeOf(challenge);
    if (scope.empty()) continue;
    RefuseForeignResource(scope, target);
    return ResourceChallenge{std::move(scope), TenantOf(challenge, target)};
  }
  return std::nullopt;
}

bool SaysThatTokenIsInvalid(std::vector<AuthenticationChallenge> const& challenges) noexcept {
  return std::any_of(challenges.begin(), challenges.end(), [](AuthenticationChallenge const& challenge) {
    auto const* const error = challenge.Find("error");
    return CarriesTokens(challenge) && error != nullptr && *error == "invalid_token";
  });
}

std::string FindClaims(std::vector<AuthenticationChallenge> const& challenges) {
  for (auto const& challenge : challenges) {
    if (!CarriesTokens(challenge)) continue;
    auto const* const error = challenge.Find("error");
    auto const* const claims = challenge.Find("claims");
    if (error != nullptr && claims != nullptr && *error == "insufficient_claims") return DecodeBase64(*claims);
  }
  return {};
}

}  // namespace mtlspop
