#pragma once

/// @file
/// One machine of a fleet with a whole credential on it: what `machine.hpp` says in a hundred lines is held against it.

#include "fleet/machine.hpp"

namespace mtlspop::bench {

/// Runs a machine whose application asks its `ManagedIdentityCredential` for a token each minute, at services in this very
/// process and in virtual time. Everything is as it is in an application but the clock, the random numbers and the sockets.
/// @param number tells it from others
void RunWholeMachine(int number, WallDuration start, RandomNumbers const& random, Traffic& traffic);

}  // namespace mtlspop::bench
