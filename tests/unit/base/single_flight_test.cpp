#include "mtlspop/base/single_flight.hpp"

#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/error.hpp"

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

}  // namespace
}  // namespace mtlspop
