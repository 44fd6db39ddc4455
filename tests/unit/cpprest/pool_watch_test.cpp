#include "pool_watch.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "support/event.hpp"

namespace mtlspop::cpprest {
namespace {

using test::Event;
using test::Eventually;

/// A pool with one thread.
class OneThread final {
 public:
  ~OneThread() {
    Post(nullptr);
    thread_.join();
  }

  /// Null ends the thread.
  void Post(std::function<void()> work) {
    std::lock_guard const lock{mutex_};
    queue_.push_back(std::move(work));
    changed_.notify_one();
  }

  bool RunOne() {
    std::function<void()> work;
    {
      std::lock_guard const lock{mutex_};
      if (queue_.empty() || !queue_.front()) return false;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
    return true;
  }

 private:
  void Run() {
    for (;;) {
      {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [this] { return !queue_.empty(); });
        if (!queue_.front()) return;
      }
      static_cast<void>(RunOne());
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  std::thread thread_{[this] { Run(); }};
};

class PoolWatchTest : public testing::Test {
 protected:
  void Post(std::function<void()> work) { pool_.Post(std::move(work)); }

  OneThread pool_;
  std::atomic<int> probes_{0};
  PoolWatch watch_{
      {[this](std::function<void()> work) {
         ++probes_;
         Post(std::move(work));
       },
       [this] { return pool_.RunOne(); }},
      std::chrono::milliseconds{1}};
};

TEST_F(PoolWatchTest, RunsWhatAPoolWhoseThreadsAllWaitCannot) {
  constexpr std::size_t Depth = 50;
  std::vector<Event> events(Depth + 1);
  for (std::size_t i = 0; i < Depth; ++i) {
    Post([&, i] {
      EXPECT_TRUE(events[i + 1].Wait());
      events[i].Set();
    });
  }
  Post([&] { events[Depth].Set(); });
  watch_.Touch();
  EXPECT_TRUE(events[0].Wait());
}

TEST_F(PoolWatchTest, HelpsAgainWhereTheStandstillComesLater) {
  for (int round = 0; round < 3; ++round) {
    Event waited;
    Event gate;
    Post([&] {
      EXPECT_TRUE(gate.Wait());
      waited.Set();
    });
    watch_.Touch();
    EXPECT_TRUE(Eventually([before = probes_.load(), this] { return probes_ > before; }));
    Post([&] { gate.Set(); });
    EXPECT_TRUE(waited.Wait());
  }
}

TEST_F(PoolWatchTest, EndsWhereNothingHappens) {
  watch_.Touch();
  ASSERT_TRUE(Eventually([this] { return probes_ >= 100; }));
  int before = 0;
  EXPECT_TRUE(Eventually([&, same = 0]() mutable {
    same = std::exchange(before, probes_.load()) == probes_ ? same + 1 : 0;
    return same == 50;
  }));
  watch_.Touch();
  EXPECT_TRUE(Eventually([&] { return probes_ > before; }));
}

TEST_F(PoolWatchTest, StopsWhileItWatches) {
  Event gate;
  Event ended;
  Post([&] {
    EXPECT_TRUE(gate.Wait());
    ended.Set();
  });
  watch_.Touch();
  ASSERT_TRUE(Eventually([this] { return probes_ > 0; }));
  gate.Set();
  watch_.Stop();
  int const before = probes_;
  watch_.Touch();
  EXPECT_EQ(probes_, before);
  EXPECT_TRUE(ended.Wait());
}

TEST(PoolWatch, IsOneForTheProcess) { EXPECT_EQ(PoolWatch::OfProcess(), PoolWatch::OfProcess()); }

}  // namespace
}  // namespace mtlspop::cpprest
