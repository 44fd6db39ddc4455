#pragma once

/// @file
/// A piece of work that many wait for and one does, and that fails as this layer's work does.

#include "failure.hpp"
#include "mtlspop/base/single_flight.hpp"

namespace mtlspop {

template <typename T>
using Flight = SingleFlight<T, Failure>;

}  // namespace mtlspop
