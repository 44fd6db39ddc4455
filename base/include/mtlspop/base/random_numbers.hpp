#pragma once

/// @file
/// Random numbers for when something is done, so that machines do not do it together. Not for secrets.

#include <chrono>
#include <cstdint>
#include <functional>

#include <gsl/span>

namespace mtlspop {

/// Fills `bytes` from the system; where it has none to give, with what is made up from clocks: what is done at random is done all
/// the same.
void MakeRandom(gsl::span<std::uint8_t> bytes) noexcept;

/// Numbers from 0 up to, not including, 1; may be called from any thread.
using RandomNumbers = std::function<double()>;

/// Of `MakeRandom`.
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

/// `longest` times a random factor from 0.8 to 1: for times that an application allows and no more.
template <typename Rep, typename Period>
std::chrono::milliseconds WithinAtRandom(std::chrono::duration<Rep, Period> longest, RandomNumbers const& random) {
  std::chrono::duration<double, std::milli> const exact{longest};
  return std::chrono::milliseconds{static_cast<std::int64_t>(exact.count() * (0.8 + 0.2 * random()))};
}

}  // namespace mtlspop
