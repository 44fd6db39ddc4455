#include "mtlspop/base/bounded_pool.hpp"

#include <atomic>
#include <cstdlib>
#include <system_error>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mtlspop/base/thread_pool.hpp"
#include "support/event.hpp"

namespace mtlspop {
namespace {

using test::Event;
using test::Eventually;

TEST(BoundedPool, HasNoMoreThreadsThanItMay) {
  constexpr int jobs = 50;
  BoundedPool pool{3};
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  std::atomic<int> done{0};
  for (int index = 0; index < jobs; ++index) {
    pool.Run(
        {[&] {
           int const now = ++running;
           for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
           }
           --running;
           ++done;
         },
         nullptr});
  }
  EXPECT_TRUE(Eventually([&] { return done == jobs; }));
  EXPECT_LE(most, 3);
  EXPECT_TRUE(Eventually([&] { return pool.BusyCount() == 0; }));
}

TEST(BoundedPool, RunsWhatWaitsInTheOrderItCame) {
  BoundedPool pool{1};
  Event gate;
  pool.Run({[&] { EXPECT_TRUE(gate.Wait()); }, nullptr});
  std::vector<int> order;
  Event last;
  for (int index = 0; index < 5; ++index) {
    pool.Run(
        {[&, index] {
           order.push_back(index);
           if (index == 4) last.Set();
         },
         nullptr});
  }
  gate.Set();
  ASSERT_TRUE(last.Wait());
  EXPECT_THAT(order, testing::ElementsAre(0, 1, 2, 3, 4));
}

TEST(BoundedPool, TellsWhatRunsToEndAndDoesNotRunWhatWaits) {
  Event stop;
  Event started;
  std::atomic<int> cancelled{0};
  bool hasEnded = false;
  bool hasRun = false;
  {
    BoundedPool pool{1};
    pool.Run(
        {[&] {
           started.Set();
           hasEnded = stop.Wait();
         },
         [&] {
           ++cancelled;
           stop.Set();
         }});
    ASSERT_TRUE(started.Wait());
    pool.Run({[&] { hasRun = true; }, [&] { ++cancelled; }});
  }
  EXPECT_TRUE(hasEnded);
  EXPECT_FALSE(hasRun);
  EXPECT_EQ(cancelled, 1);
}

/// Runs in a process of its own, since pools run nothing afterwards.
TEST(AttackEndOfProcessTest, ABoundedPoolTakesNothingMore) {
  auto const endPools = [] {
    BoundedPool pool{2};
    EndThreadPools();
    bool isRefused = false;
    try {
      pool.Run({[] { std::abort(); }, nullptr});
    } catch (std::system_error const&) {
      isRefused = true;
    }
    pool.RunWhenPossible({[] { std::abort(); }, nullptr});
    ::_exit(isRefused ? 0 : 1);
  };
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(endPools(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace mtlspop
