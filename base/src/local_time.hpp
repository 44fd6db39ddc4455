#pragma once

/// @file
/// What the systems do differently about local time.

#include <ctime>
#include <optional>

namespace mtlspop {

struct LocalTime {
  std::tm Clock;
  /// East of Greenwich, summer time included.
  long OffsetSeconds;
};

/// None where the system cannot tell.
std::optional<LocalTime> ReadLocalTime(std::time_t time) noexcept;

}  // namespace mtlspop
