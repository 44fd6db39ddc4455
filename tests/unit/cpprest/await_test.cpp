#include "await.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>

#include "elastic_workers.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::cpprest {
namespace {

/// pplx ends the process where a task fails and nobody looks at it.
TEST(AttackTasksTest, AFailureAfterTheWaitHasEndedIsNoEndOfTheProcess) {
  for (int round = 0; round < 20; ++round) {
    pplx::task_completion_event<std::size_t> event;
    pplx::scheduler_ptr const workers{std::make_shared<ElasticWorkers>()};
    {
      pplx::task<std::size_t> reading{event};
      // As bodies do, to keep alive what the stream writes to.
      reading = reading.then([](std::size_t read) { return read; }, pplx::task_options(workers));
      EXPECT_THROW(
          Await(std::move(reading), workers, Context{}.WithTimeout(std::chrono::milliseconds{1}), "reading"), Error);
    }
    event.set_exception(std::make_exception_ptr(std::runtime_error{"the stream broke"}));
  }
}

TEST(Await, GivesWhatTheTaskGives) {
  pplx::scheduler_ptr const workers{std::make_shared<ElasticWorkers>()};
  pplx::task_completion_event<int> event;
  workers->schedule([](void* of) { static_cast<pplx::task_completion_event<int>*>(of)->set(42); }, &event);
  EXPECT_EQ(Await(pplx::task<int>{event}, workers, Context{}, "waiting"), 42);
  EXPECT_THROW(
      Await(pplx::task_from_exception<int>(std::runtime_error{"no"}), workers, Context{}, "waiting"),
      std::runtime_error);
}

}  // namespace
}  // namespace mtlspop::cpprest
