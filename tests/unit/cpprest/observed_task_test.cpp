#include "observed_task.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <vector>

#include "mtlspop/transport/error.hpp"
#include "support/error_code_of.hpp"
#include "support/told.hpp"

namespace mtlspop::cpprest {
namespace {

using test::ErrorCodeOf;
using test::Told;

constexpr char const* What = "reading";

/// pplx ends the process where a task fails and nobody looks at it.
TEST(AttackTasksTest, AFailureAfterTheWaitHasEndedIsNoEndOfTheProcess) {
  for (int round = 0; round < 20; ++round) {
    pplx::task_completion_event<std::size_t> event;
    Told<std::size_t> told;
    WhenDone<std::size_t>(
        pplx::task<std::size_t>{event}, Context{}.WithTimeout(std::chrono::milliseconds{1}), What, told.Done());
    EXPECT_EQ(ErrorCodeOf([&] { told.Wait(); }), "deadline_exceeded");
    event.set_exception(std::make_exception_ptr(std::runtime_error{"the stream broke"}));
  }
}

TEST(ObservedTask, TellsWhatTheTaskGives) {
  pplx::task_completion_event<int> event;
  Told<int> told;
  WhenDone<int>(pplx::task<int>{event}, Context{}.WithTimeout(std::chrono::hours{1}), What, told.Done());
  event.set(42);
  EXPECT_EQ(told.Wait(), 42);
  Told<int> failed;
  WhenDone<int>(pplx::task_from_exception<int>(std::runtime_error{"no"}), Context{}, What, failed.Done());
  EXPECT_THROW(failed.Wait(), std::runtime_error);
}

TEST(ObservedTask, IsLeftByWhoIsCancelled) {
  constexpr std::size_t count = 500;
  pplx::task_completion_event<int> event;
  auto const context = Context{}.WithCancellation();
  std::vector<Told<int>> told(count);
  for (auto const& one : told) WhenDone<int>(pplx::task<int>{event}, context, What, one.Done());
  context.Cancel();
  for (auto const& one : told) EXPECT_EQ(ErrorCodeOf([&] { one.Wait(); }), "cancelled");
  event.set(1);
}

}  // namespace
}  // namespace mtlspop::cpprest
