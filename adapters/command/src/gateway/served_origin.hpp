#pragma once

/// @file
/// What the gateway serves, as a person writes it.

#include <string_view>

#include "gateway/reverse_proxy.hpp"

namespace mtlspop::gateway {

/// Reads "[HOST]PATH=ORIGIN", with any of "methods=GET,PUT", "resource=...", "client-id=...", "object-id=..." and
/// "resource-id=..." behind it, a space before each. For example
/// "/vault=https://myvault.vault.azure.net methods=GET,PUT".
/// @throw Error `invalid_argument` for anything else
ServedOrigin ParseServedOrigin(std::string_view text);

}  // namespace mtlspop::gateway
