#pragma once

/// @file
/// Random numbers for when something is done, so that machines do not do it together. Not for secrets.

#include <chrono>
#include <cstdint>
#include <functional>

namespace mtlspop {

/// Numbers from 0 up to, not including, 1; may be called from any thread.
using RandomNumbers = std::function<double()>;

/// The system's own.
/// @throw std::runtime_error where the system has none to give
RandomNumbers SystemRandomNumbers();

/// The application's numbers, or else the system's.
RandomNumbers RandomOr(RandomNumbers const& given);

/// `delay` with up to a quarter on top: for waits whose schedule the other side fixes, and for how long what was learned is
/// believed.
template <typename Rep, typename Period>
std::chrono::milliseconds WithJitter(std::chrono::duration<Rep, Period> delay, RandomNumbers const& random) {
  std::chrono::duration<double, std::milli> const exact{delay};
  return std::chrono::milliseconds{static_cast<std::int64_t>(exact.count() * (1 + random() / 4))};
}

}  // namespace mtlspop
