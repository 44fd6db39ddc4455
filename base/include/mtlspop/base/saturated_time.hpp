#pragma once

/// @file
/// Times and durations that others give, which may be any number.

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace mtlspop {

/// So many seconds after 1970 as a time. What lies before 1970 is taken for 1970, and what lies after 2255 for 2255, so that
/// the difference of any two of them fits the clock's range, which ends in 2262: a certificate that never ends says the
/// year 9999 (RFC 5280 section 4.1.2.5).
constexpr std::chrono::system_clock::time_point ToSaturatedTime(std::int64_t seconds) noexcept {
  constexpr std::int64_t latest = 9'000'000'000;
  auto const within = std::min(std::max<std::int64_t>(seconds, 0), latest);
  return std::chrono::system_clock::time_point{std::chrono::seconds{within}};
}

/// `duration`, or ten years where it is longer: far more than anybody waits, and no overflow in any clock's unit, in which the
/// largest number of milliseconds ("never") lies in the past.
template <class Rep, class Period>
constexpr std::chrono::duration<Rep, Period> AtMostTenYears(std::chrono::duration<Rep, Period> duration) noexcept {
  return std::min<std::chrono::duration<Rep, Period>>(duration, std::chrono::hours{24 * 365 * 10});
}

}  // namespace mtlspop
