#include "mtlspop/transport/clock.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "support/error_code_of.hpp"

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

}  // namespace
}  // namespace mtlspop
