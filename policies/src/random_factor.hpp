#pragma once

#include <chrono>
#include <functional>

namespace mtlspop {

/// From `random`, or from a generator of the thread's own where it is empty: from 0 up to, not including, 1.
double RandomFraction(std::function<double()> const& random);

/// `time` times a random factor from 0.8 to 1.
std::chrono::milliseconds ShortenedByAFifth(std::chrono::milliseconds time, std::function<double()> const& random);

}  // namespace mtlspop
