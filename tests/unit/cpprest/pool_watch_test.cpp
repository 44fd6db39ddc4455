#include "pool_watch.hpp"

#include <gtest/gtest.h>

#include <boost/asio.hpp>

#include <atomic>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "support/event.hpp"

namespace mtlspop::cpprest {
namespace {

using test::Event;
using test::Eventually;

/// A pool with one thread.
class PoolWatchTest : public testing::Test {
 protected:
  ~PoolWatchTest() override {
    watch_.Stop();
    service_.stop();
    thread_.join();
  }

  void Post(std::function<void()> work) { boost::asio::post(service_, std::move(work)); }

  boost::asio::io_context service_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{service_.get_executor()};
  std::atomic<int> probes_{0};
  PoolWatch watch_{
      {[this](std::function<void()> work) {
         ++probes_;
         Post(std::move(work));
       },
       [this] { return service_.poll_one() > 0; }},
      std::chrono::milliseconds{1}};
  std::thread thread_{[this] { service_.run(); }};
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
  Post([&] { EXPECT_TRUE(gate.Wait()); });
  watch_.Touch();
  ASSERT_TRUE(Eventually([this] { return probes_ > 0; }));
  gate.Set();
  watch_.Stop();
  int const before = probes_;
  watch_.Touch();
  EXPECT_EQ(probes_, before);
}

TEST(PoolWatch, IsOneForTheProcess) { EXPECT_EQ(PoolWatch::OfProcess(), PoolWatch::OfProcess()); }

}  // namespace
}  // namespace mtlspop::cpprest
