#pragma once

/// @file
/// What this library says of itself to the services. Nothing about the user.

#include "mtlspop/transport/headers.hpp"

namespace mtlspop {

/// Sets `x-client-SKU` and `x-client-Ver`.
void AddClientName(Headers& fields);

/// The same, `x-client-OS`, and that `Retry-After` is understood (`x-ms-lib-capability`).
void AddClientHeaders(Headers& fields);

}  // namespace mtlspop
