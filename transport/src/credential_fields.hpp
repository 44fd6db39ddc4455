#pragma once

/// @file
/// The fields of requests whose values are credentials.

#include <algorithm>
#include <array>
#include <string_view>

#include "mtlspop/base/authorization_fields.hpp"
#include "mtlspop/transport/headers.hpp"

namespace mtlspop {

/// RFC 9110 sections 11.6.2 and 11.7.2, and the further ones.
inline constexpr std::array<std::string_view, 4> CredentialFields{
    "authorization", "proxy-authorization", FurtherAuthorizationFields[0], FurtherAuthorizationFields[1]};

inline bool IsCredentialField(std::string_view name) noexcept {
  return std::any_of(CredentialFields.begin(), CredentialFields.end(), [name](std::string_view field) {
    return EqualsIgnoreCase(name, field);
  });
}

}  // namespace mtlspop
