#include "renewal_schedule.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace mtlspop {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

WallTime const Start{hours{24 * 365 * 50}};
RandomNumbers const Zero = [] { return 0.0; };
RandomNumbers const AlmostOne = [] { return 0.999999; };

RandomNumbers Seeded(unsigned seed) {
  return [generator = std::mt19937{seed}]() mutable { return std::uniform_real_distribution<double>{}(generator); };
}

double Hours(WallDuration duration) { return std::chrono::duration<double, std::ratio<3600>>(duration).count(); }

TEST(RenewalSchedule, IsTheContractsWhereNothingIsRandom) {
  for (auto const renewal : {Renewal::First, Renewal::Next}) {
    EXPECT_EQ(ScheduleRotation(Start, Start + hours{8}, renewal, Zero), Start + hours{4});
    EXPECT_EQ(ScheduleRotation(Start, Start + hours{24 * 7}, renewal, Zero), Start + hours{24 * 6});
    EXPECT_EQ(ScheduleRefresh(Start, Start + hours{12}, Start + hours{23}, renewal, Zero), Start + hours{12});
  }
}

TEST(RenewalSchedule, TheNextRenewalIsNeverBeforeTheContractsTimeAndLeavesHalfOfWhatIsLeftThen) {
  EXPECT_LT(ScheduleRotation(Start, Start + hours{8}, Renewal::Next, AlmostOne), Start + hours{6});
  EXPECT_GT(ScheduleRotation(Start, Start + hours{8}, Renewal::Next, AlmostOne), Start + hours{6} - seconds{1});
  EXPECT_LT(ScheduleRotation(Start, Start + hours{24 * 7}, Renewal::Next, AlmostOne), Start + hours{24 * 6 + 12});
  EXPECT_LT(
      ScheduleRefresh(Start, Start + hours{12}, Start + hours{23}, Renewal::Next, AlmostOne),
      Start + hours{17} + minutes{30});
}

TEST(RenewalSchedule, WhatIsWantedSoonIsNotPutOffForLong) {
  EXPECT_LT(
      ScheduleRefresh(Start, Start + minutes{5}, Start + hours{23}, Renewal::Next, AlmostOne), Start + minutes{10});
}

TEST(RenewalSchedule, TheFirstRenewalComesAtAnyTimeOfThePeriod) {
  EXPECT_GE(ScheduleRotation(Start, Start + hours{8}, Renewal::First, AlmostOne), Start);
  EXPECT_LT(ScheduleRotation(Start, Start + hours{8}, Renewal::First, AlmostOne), Start + seconds{1});
}

TEST(RenewalSchedule, WhatIsDueAlreadyStaysSo) {
  EXPECT_EQ(ScheduleRefresh(Start, Start - hours{1}, Start, Renewal::Next, AlmostOne), Start - hours{1});
  EXPECT_EQ(ScheduleRotation(Start, Start - hours{8}, Renewal::First, AlmostOne), Start - hours{4});
}

// 20,000 machines of one minute, hour by hour: the fleet asks evenly from the first hour on.
TEST(RenewalSchedule, AFleetOfOneMinuteAsksAtAnEvenRate) {
  auto const random = Seeded(7);
  std::vector<int> inHour(48);
  for (int machine = 0; machine < 20'000; ++machine) {
    auto renewal = Renewal::First;
    for (auto issued = Start; issued < Start + hours{48};) {
      issued = ScheduleRotation(issued, issued + hours{8}, renewal, random);
      renewal = Renewal::Next;
      if (issued < Start + hours{48}) ++inHour.at(static_cast<std::size_t>(Hours(issued - Start)));
    }
  }
  auto const [least, most] = std::minmax_element(inHour.begin(), inHour.end());
  // A period is five hours in the mean; the square root of 4,000 is 63.
  EXPECT_GT(*least, 4000 - 6 * 63);
  EXPECT_LT(*most, 4000 + 6 * 63);
}

TEST(RenewalSchedule, RetriesComeAtRandomWithinAMinuteThenAnHourAndHalfOfWhatIsLeft) {
  EXPECT_EQ(RenewalRetryDelay(1, hours{24}, Zero), minutes{1});
  EXPECT_EQ(RenewalRetryDelay(2, hours{24}, Zero), hours{1});
  EXPECT_EQ(RenewalRetryDelay(1'000'000, hours{24}, Zero), hours{1});
  EXPECT_EQ(RenewalRetryDelay(2, hours{1}, Zero), minutes{30});
  EXPECT_EQ(RenewalRetryDelay(1, seconds{10}, Zero), seconds{5});
  EXPECT_EQ(RenewalRetryDelay(2, seconds{-1}, Zero), std::chrono::milliseconds{100});
  EXPECT_EQ(RenewalRetryDelay(2, hours{24}, [] { return 0.5; }), minutes{30});
  EXPECT_EQ(RenewalRetryDelay(2, hours{24}, AlmostOne), std::chrono::milliseconds{100});
}

/// A service that puts off a fleet names one time to all of it.
TEST(RenewalSchedule, RetriesComeAtRandomBehindTheTimeThatTheServiceNamed) {
  WallTime const now{hours{1000}};
  auto const end = now + hours{24};
  EXPECT_EQ(RenewalRetryOn(1, now, end, std::nullopt, Zero), now + minutes{1});
  EXPECT_EQ(RenewalRetryOn(1, now, end, now - minutes{1}, Zero), now + minutes{1});
  auto const named = now + minutes{5};
  EXPECT_EQ(RenewalRetryOn(1, now, end, named, Zero), named + minutes{1});
  EXPECT_EQ(RenewalRetryOn(1, now, end, named, [] { return 0.5; }), named + seconds{30});
  EXPECT_EQ(RenewalRetryOn(2, now, end, named, [] { return 0.5; }), named + minutes{30});
  EXPECT_GE(RenewalRetryOn(1, now, end, named, AlmostOne), named);
  EXPECT_GE(RenewalRetryOn(1, now, now + minutes{1}, named, AlmostOne), named) << "though it ends before";
}

}  // namespace
}  // namespace mtlspop
