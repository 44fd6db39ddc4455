#include "../local_time.hpp"

namespace mtlspop {

// Not tzset(), which localtime_r need not call: it would read the environment at each call, which another thread may be changing.
// localtime_r of glibc and musl sets the zone at the first call, under a lock.
std::optional<LocalTime> ReadLocalTime(std::time_t time) noexcept {
  LocalTime local{};
  if (::localtime_r(&time, &local.Clock) == nullptr) return std::nullopt;
  local.OffsetSeconds = local.Clock.tm_gmtoff;
  return local;
}

}  // namespace mtlspop
