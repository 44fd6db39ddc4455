#include "mtlspop/base/thread_pool.hpp"

#include <atomic>
#include <memory>
#include <new>
#include <system_error>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/event.hpp"

namespace mtlspop {
namespace {

using test::Event;
using test::Eventually;

TEST(ThreadPool, NeverLetsAJobWaitForAnother) {
  constexpr std::size_t depth = 100;
  ThreadPool pool{{}};
  std::vector<Event> events(depth + 1);
  for (std::size_t index = 0; index < depth; ++index) {
    pool.Run([&, index] {
      ASSERT_TRUE(events[index + 1].Wait());
      events[index].Set();
    });
  }
  events[depth].Set();
  EXPECT_TRUE(events[0].Wait());
}

TEST(ThreadPool, LetsIdleThreadsEnd) {
  ThreadPool pool{{std::chrono::milliseconds{1}, nullptr, nullptr}};
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> count{0};
    for (int index = 0; index < 8; ++index) pool.RunNow([&] { ++count; });
    ASSERT_TRUE(Eventually([&] { return count == 8; }));
  }
  EXPECT_TRUE(Eventually([&] { return pool.ThreadCount() == 0; }));
}

/// Gives one thread, then throws `Failure`.
template <class Failure>
ThreadPool::Factory OneThread(Failure failure) {
  return [failure, isGiven = false](ThreadPool::Job work) mutable {
    if (std::exchange(isGiven, true)) throw failure;
    return std::thread{std::move(work)};
  };
}

TEST(ThreadPool, LetsJobsWaitWhereThereIsNoThreadOrNoMemoryForOne) {
  for (auto const& factory :
       {OneThread(std::system_error{std::make_error_code(std::errc::resource_unavailable_try_again)}),
        OneThread(std::bad_alloc{})}) {
    ThreadPool pool{{std::chrono::seconds{10}, factory, nullptr}};
    Event gate;
    Event later;
    pool.Run([&] { EXPECT_TRUE(gate.Wait()); });
    pool.Run([&] { later.Set(); });
    EXPECT_ANY_THROW(pool.RunNow([] {}));
    gate.Set();
    EXPECT_TRUE(later.Wait());
    EXPECT_EQ(pool.ThreadCount(), 1U);
  }
}

/// What is kept does the next job, though there is no other thread to be had; let go of, it ends.
TEST(ThreadPool, KeepsOneThreadForWhoeverHoldsIt) {
  ThreadPool pool{{std::chrono::milliseconds{1}, OneThread(std::bad_alloc{}), nullptr}};
  {
    auto const hold = pool.KeepThread();
    auto const another = pool.KeepThread();
    Event pause;
    EXPECT_FALSE(pause.Wait(std::chrono::milliseconds{20}));
    Event done;
    pool.Run([&] { done.Set(); });
    EXPECT_TRUE(done.Wait());
  }
  EXPECT_TRUE(Eventually([&] { return pool.ThreadCount() == 0; }));
  EXPECT_THROW(pool.KeepThread(), std::bad_alloc);
}

TEST(ThreadPool, TellsItsJobsToEndAndJoinsThem) {
  Event stop;
  std::atomic<int> ended{0};
  {
    ThreadPool pool{{std::chrono::seconds{10}, nullptr, [&] { stop.Set(); }}};
    for (int index = 0; index < 4; ++index) {
      pool.Run([&] {
        EXPECT_TRUE(stop.Wait());
        ++ended;
      });
    }
  }
  EXPECT_EQ(ended, 4);
}

TEST(ThreadPool, CanBeLetGoOfOnOneOfItsOwnThreads) {
  Event done;
  auto pool = std::make_shared<ThreadPool>(ThreadPool::Options{});
  auto* const raw = pool.get();
  auto owned = std::make_shared<std::shared_ptr<ThreadPool>>(std::move(pool));
  raw->Run([&done, owned = std::move(owned)] {
    *owned = nullptr;
    done.Set();
  });
  EXPECT_TRUE(done.Wait());
}

/// Runs in a process of its own, since pools run nothing afterwards.
TEST(AttackEndOfProcessTest, AllPoolsAreStoppedAndTakeNothingMore) {
  auto const endPools = [] {
    Event stop;
    std::atomic<bool> hasEnded{false};
    ThreadPool pool{{std::chrono::seconds{10}, nullptr, [&] { stop.Set(); }}};
    pool.Run([&] { hasEnded = stop.Wait(); });
    EndThreadPools();
    bool isRefused = false;
    try {
      pool.RunNow([] {});
    } catch (std::system_error const&) {
      isRefused = true;
    }
    try {
      ThreadPool{{}}.Run([] {});
      isRefused = false;
    } catch (std::system_error const&) {
    }
    ::_exit(hasEnded && isRefused && pool.ThreadCount() == 0 ? 0 : 1);
  };
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(endPools(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace mtlspop
