#include "../local_time.hpp"

namespace mtlspop {

std::optional<LocalTime> ReadLocalTime(std::time_t time) noexcept {
  LocalTime local{};
  if (::localtime_s(&local.Clock, &time) != 0) return std::nullopt;
  auto copy = local.Clock;
  // Taken for UTC, the clock's time is ahead of the true one by the offset.
  local.OffsetSeconds = static_cast<long>(::_mkgmtime(&copy) - time);
  return local;
}

}  // namespace mtlspop
