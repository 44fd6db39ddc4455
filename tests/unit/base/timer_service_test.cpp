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

TEST(TimerService, CallsInTheOrderOfTheTimes) {
  TimerService timers;
  std::vector<int> order;
  Event last;
  auto const begin = std::chrono::steady_clock::now();
  timers.Add(begin + 30ms, [&] {
    order.push_back(3);
    last.Set();
  });
  timers.Add(begin + 10ms, [&] { order.push_back(1); });
  timers.Add(begin + 20ms, [&] { order.push_back(2); });
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
    added.push_back(timers.Add(std::chrono::steady_clock::now() + 1h, [&] { hasRun = true; }));
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
  timers.Add(
      std::chrono::steady_clock::now(), [&] { timers.Add(std::chrono::steady_clock::now(), [&] { done.Set(); }); });
  EXPECT_TRUE(done.Wait());
}

TEST(TimerService, GoesWithTimersLeft) {
  TimerService timers;
  timers.Add(std::chrono::steady_clock::now() + 1h, [] { ADD_FAILURE(); });
}

}  // namespace
}  // namespace mtlspop
