#include "mtlspop/transport/clock.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "support/error_code_of.hpp"
#include "support/manual_clock.hpp"
#include "support/told.hpp"

namespace mtlspop {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using test::ErrorCodeOf;

TEST(SystemClockTest, IsTheSameObjectOnEachCall) { EXPECT_EQ(SystemClock().get().get(), SystemClock().get().get()); }

TEST(SystemClockTest, TellsTheMachinesTime) {
  auto const before = std::chrono::system_clock::now();
  auto const now = SystemClock()->Now();
  EXPECT_GE(now, before);
  EXPECT_LE(now, std::chrono::system_clock::now());
  auto const steadyBefore = std::chrono::steady_clock::now();
  EXPECT_GE(SystemClock()->SteadyNow(), steadyBefore);
}

TEST(SystemClockTest, SleepsAtLeastAsLongAsAsked) {
  auto const start = std::chrono::steady_clock::now();
  SystemClock()->Sleep(milliseconds{5}, {});
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds{5});
}

TEST(SystemClockTest, DoesNotSleepForNothing) {
  EXPECT_EQ(ErrorCodeOf([] { SystemClock()->Sleep(milliseconds{0}, {}); }), "no error");
  EXPECT_EQ(ErrorCodeOf([] { SystemClock()->Sleep(milliseconds{-5}, {}); }), "no error");
}

TEST(SystemClockTest, ThrowsAtOnceWhereTheDeadlineWouldPass) {
  auto const start = std::chrono::steady_clock::now();
  auto const context = Context{}.WithTimeout(hours{1});
  EXPECT_EQ(ErrorCodeOf([&] { SystemClock()->Sleep(hours{2}, context); }), "deadline_exceeded");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{10});
}

TEST(SystemClockTest, WakesWhenCancelled) {
  auto const context = Context{}.WithCancellation();
  std::thread other{[&] { context.Cancel(); }};
  EXPECT_EQ(ErrorCodeOf([&] { SystemClock()->Sleep(hours{1}, context); }), "cancelled");
  other.join();
}

TEST(SystemClockTest, DoesNotSleepWhenAlreadyCancelled) {
  auto const context = Context{}.WithCancellation();
  context.Cancel();
  EXPECT_EQ(ErrorCodeOf([&] { SystemClock()->Sleep(hours{1}, context); }), "cancelled");
}

TEST(SystemClockTest, AsksAProbe) {
  std::atomic<int> asked{0};
  auto const context = Context{}.WithCancellationProbe([&] { return ++asked > 2; });
  EXPECT_EQ(ErrorCodeOf([&] { SystemClock()->Sleep(hours{1}, context); }), "cancelled");
}

TEST(SleepAsyncTest, TellsWhenTheTimeHasCome) {
  auto const start = std::chrono::steady_clock::now();
  test::Told<void> told;
  SystemClock()->SleepAsync(milliseconds{5}, Context{}.WithTimeout(hours{1}).WithCancellation(), told.Done());
  told.Wait();
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds{5});
  EXPECT_NE(told.Thread(), std::this_thread::get_id());
}

TEST(SleepAsyncTest, EndsWithItsContext) {
  auto const cancellable = Context{}.WithCancellation();
  test::Told<void> cancelled;
  SystemClock()->SleepAsync(hours{1}, cancellable, cancelled.Done());
  cancellable.Cancel();
  EXPECT_EQ(ErrorCodeOf([&] { cancelled.Wait(); }), "cancelled");
  test::Told<void> late;
  SystemClock()->SleepAsync(hours{1}, Context{}.WithTimeout(milliseconds{1}), late.Done());
  EXPECT_EQ(ErrorCodeOf([&] { late.Wait(); }), "deadline_exceeded");
  std::atomic<int> asked{0};
  test::Told<void> probed;
  SystemClock()->SleepAsync(hours{1}, Context{}.WithCancellationProbe([&] { return ++asked > 2; }), probed.Done());
  EXPECT_EQ(ErrorCodeOf([&] { probed.Wait(); }), "cancelled");
}

TEST(SleepAsyncTest, IsThatOfTheClock) {
  test::ManualClock clock;
  test::Told<void> told;
  clock.SleepAsync(hours{1}, {}, told.Done());
  told.Wait();
  EXPECT_EQ(clock.Slept().size(), 1U);
}

}  // namespace
}  // namespace mtlspop
