#pragma once

/// @file
/// The system's random numbers.

#include <cstdint>

#include <gsl/span>

namespace mtlspop {

/// Fills `bytes` straight from the system: a generator with a state would be the same in each child of fork(). Costs less
/// than a microsecond, where std::random_device may take three for each number (RDSEED in a virtual machine). False where the
/// system gives none.
bool FillRandom(gsl::span<std::uint8_t> bytes) noexcept;

}  // namespace mtlspop
