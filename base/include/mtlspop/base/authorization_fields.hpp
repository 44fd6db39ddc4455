#pragma once

/// @file
/// Where a request has tokens beside its first one.

#include <array>
#include <string_view>

namespace mtlspop {

/// Fields in which Azure's services take tokens beside `Authorization`: for other tenants, and for the source of a copy.
inline constexpr std::array<std::string_view, 2> FurtherAuthorizationFields{
    "x-ms-authorization-auxiliary", "x-ms-copy-source-authorization"};

}  // namespace mtlspop
