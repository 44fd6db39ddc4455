#include "elastic_workers.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "mtlspop/transport/error.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"

namespace mtlspop::cpprest {
namespace {

using test::Event;
using test::Eventually;

void Post(ElasticWorkers& workers, std::function<void()> task) {
  auto owned = std::make_unique<std::function<void()>>(std::move(task));
  workers.schedule(
      [](void* argument) {
        std::unique_ptr<std::function<void()>> const mine{static_cast<std::function<void()>*>(argument)};
        (*mine)();
      },
      owned.release());
}

TEST(ElasticWorkers, NeverLetsATaskWaitForAnother) {
  constexpr int Depth = 500;
  ElasticWorkers workers;
  std::vector<std::unique_ptr<Event>> events;
  for (int i = 0; i <= Depth; ++i) events.push_back(std::make_unique<Event>());
  for (std::size_t i = 0; i < Depth; ++i) {
    Post(workers, [&, i] {
      ASSERT_TRUE(events[i + 1]->Wait());
      events[i]->Set();
    });
  }
  events[Depth]->Set();
  EXPECT_TRUE(events[0]->Wait());
}

TEST(ElasticWorkers, ReusesAnIdleThread) {
  ElasticWorkers workers;
  for (int i = 0; i < 50; ++i) {
    Event done;
    Post(workers, [&] { done.Set(); });
    ASSERT_TRUE(done.Wait());
  }
  EXPECT_LE(workers.ThreadCount(), 50U);
  EXPECT_GE(workers.ThreadCount(), 1U);
}

TEST(ElasticWorkers, LetsIdleThreadsEnd) {
  ElasticWorkers workers{std::chrono::milliseconds{1}};
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> count{0};
    for (int i = 0; i < 16; ++i) Post(workers, [&] { ++count; });
    ASSERT_TRUE(Eventually([&] { return count == 16; }));
  }
  EXPECT_TRUE(Eventually([&] { return workers.ThreadCount() == 0; }));
}

TEST(ElasticWorkers, CanBeLetGoOfOnOneOfItsOwnThreads) {
  Event done;
  auto workers = std::make_shared<ElasticWorkers>();
  auto const raw = workers.get();
  Post(*raw, [&, owned = std::move(workers)]() mutable {
    owned = nullptr;
    done.Set();
  });
  EXPECT_TRUE(done.Wait());
}

TEST(ElasticWorkers, IsSafeFromManyThreads) {
  std::atomic<int> count{0};
  {
    ElasticWorkers workers{std::chrono::milliseconds{1}};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 500; ++n) Post(workers, [&] { ++count; });
      });
    }
    for (auto& thread : threads) thread.join();
    ASSERT_TRUE(Eventually([&] { return count == 4000; }));
  }
  EXPECT_EQ(count, 4000);
}

/// Gives one thread in all.
ThreadPool::Factory MakeOneThread() {
  return [isGiven = false](std::function<void()> work) mutable {
    if (std::exchange(isGiven, true)) {
      throw std::system_error{std::make_error_code(std::errc::resource_unavailable_try_again)};
    }
    return std::thread{std::move(work)};
  };
}

TEST(ElasticWorkers, LetContinuationsWaitWhereTheSystemHasNoThread) {
  ElasticWorkers workers{std::chrono::seconds{10}, MakeOneThread()};
  Event gate;
  Event later;
  Post(workers, [&] { EXPECT_TRUE(gate.Wait()); });
  Post(workers, [&] { later.Set(); });
  EXPECT_FALSE(later.IsSet());
  gate.Set();
  EXPECT_TRUE(later.Wait());
  EXPECT_EQ(workers.ThreadCount(), 1U);
}

TEST(ElasticWorkers, SayThatTheyHaveNoThreadForWhatMustNotWait) {
  Event gate;
  ElasticWorkers workers{std::chrono::seconds{10}, MakeOneThread()};
  Post(workers, [&] { EXPECT_TRUE(gate.Wait()); });
  EXPECT_EQ(test::ErrorCodeOf([&] { workers.RunNow([](void*) {}, nullptr); }), errors::SystemFailure.Name());
  gate.Set();
}

}  // namespace
}  // namespace mtlspop::cpprest
