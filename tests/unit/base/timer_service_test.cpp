#include "mtlspop/base/timer_service.hpp"

#include <atomic>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/event.hpp"

namespace mtlspop {
namespace {

using namespace std::chrono_literals;
using test::Event;

constexpr auto Never = TimerService::TimePoint::max();

TEST(TimerService, CallsInTheOrderOfTheTimes) {
  TimerService timers;
  std::vector<int> order;
  Event last;
  auto const begin = std::chrono::steady_clock::now();
  auto const append = [&](int number) {
    return [&order, &last, number] {
      order.push_back(number);
      if (number == 3) last.Set();
      return Never;
    };
  };
  timers.Add(begin + 30ms, append(3));
  timers.Add(begin + 10ms, append(1));
  timers.Add(begin + 20ms, append(2));
  ASSERT_TRUE(last.Wait());
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 30ms);
  EXPECT_THAT(order, testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(timers.Count(), 0U);
}

TEST(TimerService, DoesNotCallWhatWasCancelled) {
  constexpr int count = 10'000;
  TimerService timers;
  std::atomic<bool> hasRun{false};
  std::vector<TimerService::Timer> added;
  for (int index = 0; index < count; ++index) {
    added.push_back(timers.Add(std::chrono::steady_clock::now() + 1h, [&] {
      hasRun = true;
      return Never;
    }));
  }
  for (auto const& timer : added) EXPECT_TRUE(timers.Cancel(timer));
  EXPECT_FALSE(timers.Cancel(added.front()));
  EXPECT_FALSE(timers.Cancel({}));
  EXPECT_EQ(timers.Count(), 0U);
  EXPECT_FALSE(hasRun);
}

TEST(TimerService, MayBeGivenTheNextByTheLast) {
  TimerService timers;
  Event done;
  timers.Add(std::chrono::steady_clock::now(), [&] {
    timers.Add(std::chrono::steady_clock::now(), [&] {
      done.Set();
      return Never;
    });
    return Never;
  });
  EXPECT_TRUE(done.Wait());
}

TEST(TimerService, CallsAgainWhoeverWantsItUntilItIsCancelled) {
  TimerService timers;
  std::atomic<int> calls{0};
  Event third;
  auto const timer = timers.Add(std::chrono::steady_clock::now(), [&] {
    if (++calls == 3) third.Set();
    return std::chrono::steady_clock::now() + 1ms;
  });
  EXPECT_TRUE(third.Wait());
  timers.Cancel(timer);
  Event after;
  timers.Add(std::chrono::steady_clock::now() + 5ms, [&] {
    after.Set();
    return Never;
  });
  EXPECT_TRUE(after.Wait());
  EXPECT_EQ(timers.Count(), 0U);
}

TEST(TimerService, GoesWithTimersLeft) {
  TimerService timers;
  timers.Add(std::chrono::steady_clock::now() + 1h, [] {
    ADD_FAILURE();
    return Never;
  });
}

}  // namespace
}  // namespace mtlspop
