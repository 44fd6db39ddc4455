#pragma once

/// @file
/// Which tenants may be asked for tokens, and in whose name.

#include <string>
#include <string_view>
#include <vector>

namespace mtlspop {

/// The tenant of a credential and those that a request may name as well.
struct AllowedTenants {
  /// "" where it is not known yet.
  std::string Own;
  /// Of the credential's options: ids and domains, or "*" for all.
  std::vector<std::string> Additionally;
};

/// Checks that `tenant` is the id or domain of one directory: letters, digits, hyphens and single dots between them, at
/// most 253 characters. `whose` is for the message: "The credential's tenant".
/// @throw Error `tenant_required` for "", `common`, `organizations` and `consumers`, in any case; `invalid_argument`
void CheckTenant(std::string_view tenant, std::string_view whose);

/// The same as an answer, for names that somebody else has said.
bool IsOneTenant(std::string_view tenant) noexcept;

/// Checks the names in `AdditionallyAllowedTenants`.
/// @throw Error `tenant_required`, `invalid_argument`
void CheckAdditionalTenants(std::vector<std::string> const& tenants);

/// Checks that a request may name this tenant. "" is the credential's own.
/// @throw Error `tenant_not_allowed`, and what `CheckTenant` throws
void CheckTenantOfRequest(std::string_view tenant, AllowedTenants const& allowed);

}  // namespace mtlspop
