#include "mtlspop/transport/context.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <ratio>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "support/error_code_of.hpp"
#include "support/event.hpp"

namespace mtlspop {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using test::ErrorCodeOf;
using test::ErrorOf;

TEST(ContextTest, DefaultNeverEnds) {
  Context const context;
  EXPECT_FALSE(context.IsCancelled());
  EXPECT_FALSE(context.IsExpired());
  EXPECT_FALSE(context.CanBeCancelled());
  EXPECT_EQ(context.Deadline(), Context::TimePoint::max());
  EXPECT_FALSE(context.PollInterval());
  EXPECT_NO_THROW(context.ThrowIfEnded("this"));
}

TEST(ContextTest, CancelWithoutCancellationIsAProgramsMistake) {
  EXPECT_THROW(Context{}.Cancel(), std::logic_error);
  EXPECT_THROW(Context{}.WithTimeout(hours{1}).Cancel(), std::logic_error);
  EXPECT_THROW(Context{}.WithCancellationProbe([] { return false; }).Cancel(), std::logic_error);
}

/// "Never" in a unit that the clock cannot count to, and not a time in the past, as it is where it overflows.
TEST(ContextTest, TheLongestTimeoutOfEachUnitIsNone) {
  EXPECT_EQ(Context{}.WithTimeout(std::chrono::nanoseconds::max()).Deadline(), Context::TimePoint::max());
  EXPECT_EQ(Context{}.WithTimeout(std::chrono::microseconds::max()).Deadline(), Context::TimePoint::max());
  EXPECT_EQ(Context{}.WithTimeout(milliseconds::max()).Deadline(), Context::TimePoint::max());
  EXPECT_EQ(Context{}.WithTimeout(std::chrono::seconds::max()).Deadline(), Context::TimePoint::max());
  EXPECT_EQ(Context{}.WithTimeout(hours::max()).Deadline(), Context::TimePoint::max());
  EXPECT_EQ(
      (Context{}.WithTimeout(std::chrono::duration<std::int32_t, std::ratio<60>>::max()).Deadline()),
      Context::TimePoint::max());
  EXPECT_TRUE(Context{}.WithTimeout(milliseconds::min()).IsExpired());
  EXPECT_TRUE(Context{}.WithTimeout(hours::min()).IsExpired());
  auto const earlier = Context{}.WithTimeout(hours{1});
  EXPECT_EQ(earlier.WithTimeout(milliseconds::max()).Deadline(), earlier.Deadline());
}

TEST(ContextTest, CopiesShareTheirState) {
  auto const context = Context{}.WithCancellation();
  auto const copy = context;
  copy.Cancel();
  EXPECT_TRUE(context.IsCancelled());
}

TEST(ContextTest, CancellingReachesChildrenAndNotParents) {
  auto const parent = Context{}.WithCancellation();
  auto const child = parent.WithTimeout(hours{1}).WithCancellation();
  auto const sibling = parent.WithCancellation();
  child.Cancel();
  EXPECT_TRUE(child.IsCancelled());
  EXPECT_FALSE(parent.IsCancelled());
  EXPECT_FALSE(sibling.IsCancelled());
  parent.Cancel();
  EXPECT_TRUE(sibling.IsCancelled());
}

TEST(ContextTest, AChildWithADeadlineIsCancelledThroughItsParent) {
  auto const parent = Context{}.WithCancellation();
  auto const child = parent.WithTimeout(hours{1});
  EXPECT_TRUE(child.CanBeCancelled());
  parent.Cancel();
  EXPECT_TRUE(child.IsCancelled());
}

TEST(ContextTest, AChildEndsNoLaterThanItsParent) {
  auto const soon = Context::Clock::now() + milliseconds{100};
  auto const parent = Context{}.WithDeadline(soon);
  EXPECT_EQ(parent.WithDeadline(soon + hours{1}).Deadline(), soon);
  EXPECT_EQ(parent.WithDeadline(soon - milliseconds{50}).Deadline(), soon - milliseconds{50});
  EXPECT_EQ(parent.WithCancellation().Deadline(), soon);
  EXPECT_EQ(parent.WithCancellationProbe([] { return false; }).Deadline(), soon);
}

TEST(ContextTest, HugeTimeoutsDoNotWrapAround) {
  EXPECT_FALSE(Context{}.WithTimeout(Context::Clock::duration::max()).IsExpired());
  EXPECT_FALSE(Context{}.WithDeadline(Context::TimePoint::max()).IsExpired());
}

TEST(ContextTest, APassedDeadlineIsNoCancellation) {
  auto const context = Context{}.WithTimeout(milliseconds{-1});
  EXPECT_TRUE(context.IsExpired());
  EXPECT_FALSE(context.IsCancelled());
  auto const error = ErrorOf([&] { context.ThrowIfEnded("reading the answer"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::DeadlineExceeded);
  EXPECT_NE(std::string{error->what()}.find("reading the answer"), std::string::npos);
}

TEST(ContextTest, CancellationIsToldBeforeTheDeadline) {
  auto const context = Context{}.WithTimeout(milliseconds{-1}).WithCancellation();
  context.Cancel();
  EXPECT_EQ(ErrorCodeOf([&] { context.ThrowIfEnded("this"); }), "cancelled");
}

TEST(ContextTest, AProbeIsAsked) {
  std::atomic<bool> cancelled{false};
  auto const context = Context{}.WithCancellationProbe([&] { return cancelled.load(); });
  auto const child = context.WithTimeout(hours{1}).WithCancellation();
  EXPECT_TRUE(context.CanBeCancelled());
  EXPECT_FALSE(context.NotifiesOfCancellation());
  EXPECT_TRUE(child.NotifiesOfCancellation());
  EXPECT_FALSE(child.IsCancelled());
  ASSERT_TRUE(context.PollInterval());
  ASSERT_TRUE(child.PollInterval());
  // A waiting thread has to notice within 50 ms.
  EXPECT_LE(*context.PollInterval(), milliseconds{50});
  EXPECT_GT(*context.PollInterval(), milliseconds{0});
  cancelled = true;
  EXPECT_TRUE(context.IsCancelled());
  EXPECT_TRUE(child.IsCancelled());
  EXPECT_EQ(ErrorCodeOf([&] { child.ThrowIfEnded("this"); }), "cancelled");
}

TEST(ContextTest, CallbacksRunOnceOnTheCancellingThread) {
  auto const context = Context{}.WithCancellation();
  int calls = 0;
  std::thread::id where;
  auto const registration = context.OnCancelled([&] {
    ++calls;
    where = std::this_thread::get_id();
  });
  std::thread other{[&] {
    context.Cancel();
    context.Cancel();
  }};
  auto const id = other.get_id();
  other.join();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(where, id);
}

TEST(ContextTest, ACallbackOfAChildRunsWhenTheParentIsCancelled) {
  auto const parent = Context{}.WithCancellation();
  auto const child = parent.WithCancellation();
  int calls = 0;
  auto const registration = child.WithTimeout(hours{1}).OnCancelled([&] { ++calls; });
  parent.Cancel();
  EXPECT_EQ(calls, 1);
  child.Cancel();
  EXPECT_EQ(calls, 1);
}

TEST(ContextTest, ACallbackRunsAtOnceWhereItIsTooLate) {
  auto const context = Context{}.WithCancellation();
  context.Cancel();
  int calls = 0;
  auto const registration = context.OnCancelled([&] { ++calls; });
  EXPECT_EQ(calls, 1);
}

TEST(ContextTest, ACallbackOfAContextThatNeverEndsDoesNotRun) {
  int calls = 0;
  {
    auto const registration = Context{}.OnCancelled([&] { ++calls; });
  }
  EXPECT_EQ(calls, 0);
}

TEST(CancellationRegistrationTest, KeepsTheCallbackForAsLongAsItLives) {
  auto const context = Context{}.WithCancellation();
  int calls = 0;
  {
    auto const registration = context.OnCancelled([&] { ++calls; });
  }
  context.Cancel();
  EXPECT_EQ(calls, 0);
}

TEST(CancellationRegistrationTest, MovesAlong) {
  auto const context = Context{}.WithCancellation();
  int first = 0;
  int second = 0;
  auto registration = context.OnCancelled([&] { ++first; });
  CancellationRegistration moved{std::move(registration)};
  moved = context.OnCancelled([&] { ++second; });
  context.Cancel();
  EXPECT_EQ(first, 0) << "assigning ends the registration that was there";
  EXPECT_EQ(second, 1);
}

/// After the destructor has returned the callback neither runs nor will: what it uses may go.
TEST(CancellationRegistrationTest, DestructorWaitsForARunningCallback) {
  auto const context = Context{}.WithCancellation();
  test::Event running;
  test::Event goOn;
  std::atomic<bool> finished{false};
  auto registration = std::make_unique<CancellationRegistration>(context.OnCancelled([&] {
    running.Set();
    EXPECT_TRUE(goOn.Wait());
    finished = true;
  }));
  std::thread canceller{[&] { context.Cancel(); }};
  ASSERT_TRUE(running.Wait());
  std::thread releaser{[&] { goOn.Set(); }};
  registration.reset();
  EXPECT_TRUE(finished);
  canceller.join();
  releaser.join();
}

/// Many come and go while one cancels: under ThreadSanitizer this is the test of the locking.
TEST(CancellationRegistrationTest, ComesAndGoesWhileAnotherThreadCancels) {
  for (int round = 0; round < 50; ++round) {
    auto const context = Context{}.WithCancellation();
    std::atomic<int> calls{0};
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int index = 0; index < 4; ++index) {
      threads.emplace_back([&] {
        while (!context.IsCancelled()) {
          auto const child = context.WithCancellation();
          auto const registration = child.OnCancelled([&] { ++calls; });
        }
        auto const registration = context.OnCancelled([&] { calls += 1000; });
      });
    }
    context.Cancel();
    for (auto& thread : threads) thread.join();
    EXPECT_GE(calls, 4000);
  }
}

}  // namespace
}  // namespace mtlspop
