#include "mtlspop/base/local_time.hpp"

#include <cstdio>
#include <cstdlib>

#include "local_time.hpp"

namespace mtlspop {

std::string ToLocalTimestamp(std::chrono::system_clock::time_point time) {
  auto const local = ReadLocalTime(std::chrono::system_clock::to_time_t(time));
  if (!local) return {};
  auto const& clock = local->Clock;
  auto const minutes = std::labs(local->OffsetSeconds) / 60;
  char text[96];
  std::snprintf(
      text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d%c%02ld:%02ld", clock.tm_year + 1900, clock.tm_mon + 1,
      clock.tm_mday, clock.tm_hour, clock.tm_min, clock.tm_sec, local->OffsetSeconds < 0 ? '-' : '+', minutes / 60,
      minutes % 60);
  return text;
}

}  // namespace mtlspop
