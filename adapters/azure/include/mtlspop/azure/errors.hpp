#pragma once

/// @file
/// The codes of this adapter. What each means and what to check is in docs/troubleshooting.md.

#include "mtlspop/transport/error.hpp"

namespace mtlspop::errors {

/// A client has a `BoundTokenCredential` without all that `UseTokenBinding` sets in its options, so that its requests could
/// not carry the certificate. Nothing was sent.
inline constexpr ErrorCode TokenBindingNotInUse{"token_binding_not_in_use"};

}  // namespace mtlspop::errors
