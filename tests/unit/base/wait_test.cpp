#include "mtlspop/base/wait.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop {
namespace {

using namespace std::chrono_literals;

class WaitListTest : public testing::Test {
 protected:
  void Start(int count, Context const& context) {
    for (int index = 0; index < count; ++index) {
      waiters_.emplace_back([this, context] {
        std::unique_lock lock{mutex_};
        bool const isReady = list_.WaitUntil(lock, Context::TimePoint::max(), context, [this] {
          ++looks_;
          return free_ > 0;
        });
        if (isReady) --free_;
        (isReady ? served_ : gone_)++;
      });
    }
    // Each has looked twice once it waits: before and after it made itself known.
    while (Looks() < 2 * count) std::this_thread::yield();
  }
  int Looks() {
    std::lock_guard const lock{mutex_};
    return looks_;
  }
  void Join() {
    for (auto& waiter : waiters_) waiter.join();
    waiters_.clear();
  }

  std::mutex mutex_;
  WaitList list_;
  std::vector<std::thread> waiters_;
  int free_ = 0;
  int looks_ = 0;
  int served_ = 0;
  int gone_ = 0;
};

using AttackWaitTest = WaitListTest;

/// With one condition variable for all, each of a thousand cancellations woke all who still waited.
TEST_F(AttackWaitTest, CancellingManyWakesEachOnce) {
  constexpr int count = 1000;
  auto const context = Context{}.WithCancellation();
  Start(count, context);
  int const before = Looks();
  context.Cancel();
  Join();
  EXPECT_EQ(gone_, count);
  // One look for being woken, one for the way out, and a few that the system wakes for nothing.
  EXPECT_LE(looks_ - before, 2 * count + 50);
}

TEST_F(AttackWaitTest, WhatBecomesFreeWakesOne) {
  constexpr int count = 300;
  Start(count, Context{});
  int const before = Looks();
  for (int index = 0; index < count; ++index) {
    std::lock_guard const lock{mutex_};
    ++free_;
    list_.WakeFirstReady();
  }
  Join();
  EXPECT_EQ(served_, count);
  // Beside each one's own looks, those of WakeFirstReady at the first that is ready.
  EXPECT_LE(looks_ - before, 3 * count + 50);
}

/// The one that was woken is cancelled before it runs: what it was woken for is the next one's.
TEST_F(WaitListTest, WhoGoesWithoutLeavesItToTheNext) {
  auto const cancelled = Context{}.WithCancellation();
  Start(1, cancelled);
  waiters_.emplace_back([this] {
    std::unique_lock lock{mutex_};
    list_.WaitUntil(lock, Context::TimePoint::max(), Context{}, [this] { return free_ > 0; });
    ++served_;
  });
  for (bool isWaiting = false; !isWaiting;) {
    std::lock_guard const lock{mutex_};
    // Ready and taken back within the lock: the first was woken, and finds nothing.
    ++free_;
    list_.WakeFirstReady();
    --free_;
    isWaiting = !list_.IsEmpty();
  }
  cancelled.Cancel();
  waiters_.front().join();
  {
    std::lock_guard const lock{mutex_};
    ++free_;
    list_.WakeFirstReady();
  }
  waiters_.back().join();
  waiters_.clear();
  EXPECT_EQ(served_, 1);
  EXPECT_EQ(gone_, 1);
}

TEST_F(WaitListTest, WakesAll) {
  Start(20, Context{});
  {
    std::lock_guard const lock{mutex_};
    free_ = 20;
    list_.WakeAll();
  }
  Join();
  EXPECT_EQ(served_, 20);
}

/// A context that can be cancelled, whose registration is taken back just when somebody else comes by. What was there is
/// gone then, and comes again a little later.
struct ContextWithARival {
  using Clock = Context::Clock;
  using TimePoint = Context::TimePoint;
  struct Registration {
    Registration() = default;
    explicit Registration(int* isFree) : IsFree(isFree) {}
    Registration(Registration const&) = delete;
    Registration& operator=(Registration&& other) noexcept {
      if (IsFree != nullptr && *IsFree == 1) *IsFree = 0;
      IsFree = other.IsFree;
      return *this;
    }
    int* IsFree = nullptr;
  };

  Registration OnCancelled(std::function<void()> const&) const { return Registration{IsFree}; }
  bool NotifiesOfCancellation() const noexcept { return true; }
  bool IsCancelled() const noexcept { return false; }
  TimePoint Deadline() const noexcept { return TimePoint::max(); }
  std::optional<std::chrono::milliseconds> PollInterval() const noexcept { return 1ms; }

  int* IsFree;
};

/// What was free when the waiter looked is taken while it lets go of the lock on its way out: it waits on.
TEST_F(WaitListTest, SaysReadyOnlyWhereItIsWithTheLockHeld) {
  std::condition_variable changed;
  for (bool const isOfAList : {true, false}) {
    int looks = 0;
    int isFree = 0;
    auto const ready = [&] {
      // Free at the second look, and from the fifth on for good.
      ++looks;
      if (looks == 2) isFree = 1;
      if (looks == 5) isFree = 2;
      return isFree > 0;
    };
    ContextWithARival const context{&isFree};
    std::unique_lock lock{mutex_};
    EXPECT_TRUE(
        isOfAList ? list_.WaitUntil(lock, Context::TimePoint::max(), context, ready)
                  : WaitUntil(lock, changed, Context::TimePoint::max(), context, ready));
    EXPECT_EQ(isFree, 2);
  }
}

/// What the waiter counted itself under is undone on the way out, and read by others.
TEST_F(WaitListTest, HoldsTheLockWhereItThrows) {
  auto const never = [] { return false; };
  std::condition_variable changed;
  std::unique_lock<std::mutex> lock{mutex_};
  for (bool const isOfAList : {true, false}) {
    auto const context = Context{}.WithTimeout(1ms);
    if (isOfAList) {
      EXPECT_THROW(list_.WaitOrThrow(lock, context, "waiting", never), Error);
    } else {
      EXPECT_THROW(WaitOrThrow(lock, changed, context, "waiting", never), Error);
    }
    EXPECT_TRUE(lock.owns_lock());
  }
}

TEST_F(WaitListTest, EndsWithItsContext) {
  std::unique_lock lock{mutex_};
  auto const never = [] { return false; };
  EXPECT_FALSE(list_.WaitUntil(lock, Context::Clock::now() + 1ms, Context{}, never));
  EXPECT_FALSE(list_.WaitUntil(lock, Context::TimePoint::max(), Context{}.WithTimeout(1ms), never));
  std::atomic<int> asked{0};
  auto const probed = Context{}.WithCancellationProbe([&] { return ++asked > 3; });
  EXPECT_FALSE(list_.WaitUntil(lock, Context::TimePoint::max(), probed, never));
  EXPECT_THROW(list_.WaitOrThrow(lock, Context{}.WithTimeout(1ms), "waiting", never), Error);
  EXPECT_TRUE(list_.IsEmpty());
}

}  // namespace
}  // namespace mtlspop
