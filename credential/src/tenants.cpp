#include "tenants.hpp"

#include <algorithm>
#include <utility>

#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/headers.hpp"

namespace mtlspop {
namespace {

/// That of a domain name (RFC 1035 section 2.3.4), as text.
constexpr std::size_t LongestTenant = 253;
constexpr std::string_view AllTenants = "*";

bool IsPartOfName(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

/// A dot alone or beside another one would change the path of the token endpoint.
bool IsName(std::string_view text) noexcept {
  bool afterDot = true;
  for (char const c : text) {
    if (c == '.' ? afterDot : !IsPartOfName(c)) return false;
    afterDot = c == '.';
  }
  return !afterDot;
}

bool NamesSeveral(std::string_view tenant) noexcept {
  return EqualsIgnoreCase(tenant, "common") || EqualsIgnoreCase(tenant, "organizations") ||
         EqualsIgnoreCase(tenant, "consumers");
}

[[noreturn]] void Refuse(ErrorCode code, std::string what, std::string action) {
  throw Error{{code, std::move(what), std::move(action)}};
}

}  // namespace

bool IsOneTenant(std::string_view tenant) noexcept {
  return tenant.size() <= LongestTenant && IsName(tenant) && !NamesSeveral(tenant);
}

void CheckTenant(std::string_view tenant, std::string_view whose) {
  constexpr char const* oneDirectory =
      "Give the id or domain of the directory in which the identity, or the app's certificate, is registered";
  if (tenant.empty()) Refuse(errors::TenantRequired, std::string{whose} + " is empty", oneDirectory);
  if (NamesSeveral(tenant)) {
    Refuse(
        errors::TenantRequired,
        std::string{whose} + " is \"" + std::string{tenant} + "\", which names no single directory", oneDirectory);
  }
  if (tenant.size() > LongestTenant) {
    Refuse(
        errors::InvalidArgument,
        std::string{whose} + " has " + std::to_string(tenant.size()) +
            " characters, more than any directory's id or domain",
        oneDirectory);
  }
  if (!IsName(tenant)) {
    Refuse(
        errors::InvalidArgument,
        std::string{whose} + " has other characters than letters, digits, hyphens and single dots between them",
        oneDirectory);
  }
}

void CheckAdditionalTenants(std::vector<std::string> const& tenants) {
  for (auto const& tenant : tenants) {
    if (tenant != AllTenants) CheckTenant(tenant, "A tenant in AdditionallyAllowedTenants");
  }
}

void CheckTenantOfRequest(std::string_view tenant, AllowedTenants const& allowed) {
  if (tenant.empty()) return;
  CheckTenant(tenant, "The tenant that a token is asked for");
  if (EqualsIgnoreCase(tenant, allowed.Own)) return;
  bool const isListed = std::any_of(
      allowed.Additionally.begin(), allowed.Additionally.end(),
      [tenant](auto const& one) { return one == AllTenants || EqualsIgnoreCase(one, tenant); });
  if (isListed) return;
  Refuse(
      errors::TenantNotAllowed,
      "A token of the tenant " + std::string{tenant} + " was asked for, and the credential is for " +
          (allowed.Own.empty() ? std::string{"its identity's own tenant"} : "the tenant " + allowed.Own),
      "Where a resource named that tenant in its challenge, ask yourself whether you trust it to. If so, add the "
      "tenant to "
      "AdditionallyAllowedTenants in the credential's options (\"*\" for all), or configure the credential's own "
      "tenant by "
      "the id that the resource names");
}

}  // namespace mtlspop
