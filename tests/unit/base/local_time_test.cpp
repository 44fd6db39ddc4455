#include "mtlspop/base/local_time.hpp"

#include <string>

#include <gtest/gtest.h>

#include "support/scoped_time_zone.hpp"

namespace mtlspop {
namespace {

using std::chrono::seconds;
using Time = std::chrono::system_clock::time_point;

/// 2026-11-28 00:00:00 in Greenwich.
constexpr Time Winter{seconds{1795824000}};
/// 2026-07-01 00:00:00 in Greenwich.
constexpr Time Summer{seconds{1782864000}};

std::string In(std::string const& zone, Time time) {
  test::ScopedTimeZone const there{zone};
  return ToLocalTimestamp(time);
}

TEST(LocalTime, HasItsOffset) {
  EXPECT_EQ(In("UTC0", Winter), "2026-11-28T00:00:00+00:00");
  EXPECT_EQ(In("IST-5:30", Winter), "2026-11-28T05:30:00+05:30");
  EXPECT_EQ(In("NST3:30", Winter), "2026-11-27T20:30:00-03:30");
}

TEST(LocalTime, KnowsSummer) {
  EXPECT_EQ(In("EST5EDT,M3.2.0,M11.1.0", Winter), "2026-11-27T19:00:00-05:00");
  EXPECT_EQ(In("EST5EDT,M3.2.0,M11.1.0", Summer), "2026-06-30T20:00:00-04:00");
}

TEST(LocalTime, HasWholeSeconds) {
  EXPECT_EQ(In("UTC0", Winter + std::chrono::milliseconds{999}), "2026-11-28T00:00:00+00:00");
}

}  // namespace
}  // namespace mtlspop
