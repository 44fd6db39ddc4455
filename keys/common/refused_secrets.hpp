#pragma once

/// @file
/// PINs and authorizations that a device has refused: devices lock, and whoever tries again every half minute locks them.

#include <string>

#include "mtlspop/transport/secret.hpp"

namespace mtlspop::keys {

/// Whether `device` has refused `secret` in this process. Digests are kept, no secrets.
///
/// Thread safety: any thread.
bool WasRefused(std::string const& device, Secret const& secret);
void NoteRefused(std::string const& device, Secret const& secret);

}  // namespace mtlspop::keys
