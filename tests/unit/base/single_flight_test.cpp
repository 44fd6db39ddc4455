#include "mtlspop/base/single_flight.hpp"

#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/executor.hpp"
#include "support/error_code_of.hpp"
#include "support/told.hpp"

namespace mtlspop {
namespace {

struct TextFailure {
  [[noreturn]] void Throw() const { throw std::runtime_error{Text}; }
  std::string Text;
};
using Flight = SingleFlight<int, TextFailure>;

TEST(SingleFlight, GivesItsResultToAllWhoWait) {
  Flight flight;
  std::vector<std::thread> waiters;
  for (int index = 0; index < 4; ++index) {
    waiters.emplace_back([&] { EXPECT_EQ(flight.Wait(Context{}, "waiting"), 42); });
  }
  flight.Complete(42);
  for (auto& waiter : waiters) waiter.join();
  EXPECT_EQ(flight.Wait(Context{}, "waiting"), 42);
}

TEST(SingleFlight, GivesItsFailureToAllWhoWait) {
  Flight flight;
  flight.Fail({"lost"});
  for (int index = 0; index < 2; ++index) {
    EXPECT_THROW(flight.Wait(Context{}, "waiting"), std::runtime_error);
  }
}

TEST(SingleFlight, IsLeftByWhoseContextEnds) {
  Flight flight;
  auto const cancelled = Context{}.WithCancellation();
  cancelled.Cancel();
  EXPECT_THROW(flight.Wait(cancelled, "waiting"), Error);
  EXPECT_THROW(flight.Wait(Context{}.WithTimeout(std::chrono::milliseconds{1}), "waiting"), Error);
  flight.Complete(1);
  EXPECT_EQ(flight.Wait(Context{}, "waiting"), 1);
}

TEST(SingleFlight, TellsAllWhoWaitWithoutAThread) {
  constexpr int count = 100;
  Flight flight;
  std::vector<test::Told<int>> told(count);
  for (auto const& one : told) flight.WaitAsync(Context{}, "waiting", DefaultExecutor(), one.Done());
  flight.Complete(42);
  for (auto const& one : told) EXPECT_EQ(one.Wait(), 42);
  test::Told<int> late;
  flight.WaitAsync(Context{}, "waiting", DefaultExecutor(), late.Done());
  EXPECT_EQ(late.Wait(), 42);
}

TEST(SingleFlight, TellsItsFailureToAllWhoWaitWithoutAThread) {
  Flight flight;
  test::Told<int> told;
  flight.WaitAsync(Context{}, "waiting", DefaultExecutor(), told.Done());
  flight.Fail({"lost"});
  EXPECT_THROW(told.Wait(), std::runtime_error);
}

TEST(SingleFlight, IsLeftWithoutAThreadByWhoseContextEnds) {
  constexpr int count = 1000;
  Flight flight;
  auto const cancelled = Context{}.WithCancellation();
  std::vector<test::Told<int>> told(count);
  for (auto const& one : told) flight.WaitAsync(cancelled, "waiting", DefaultExecutor(), one.Done());
  test::Told<int> late;
  flight.WaitAsync(Context{}.WithTimeout(std::chrono::milliseconds{1}), "waiting", DefaultExecutor(), late.Done());
  test::Told<int> patient;
  flight.WaitAsync(Context{}, "waiting", DefaultExecutor(), patient.Done());
  cancelled.Cancel();
  for (auto const& one : told) EXPECT_EQ(test::ErrorCodeOf([&] { one.Wait(); }), "cancelled");
  EXPECT_EQ(test::ErrorCodeOf([&] { late.Wait(); }), "deadline_exceeded");
  flight.Complete(1);
  EXPECT_EQ(patient.Wait(), 1);
}

}  // namespace
}  // namespace mtlspop
