#include "mtlspop/base/processors.hpp"

#include <sched.h>

#include <thread>

#include <gtest/gtest.h>

namespace mtlspop {
namespace {

TEST(AvailableProcessorsTest, AreThoseThatAThreadMayRunOn) {
  unsigned everywhere = 0;
  unsigned onOne = 0;
  std::thread{[&] {
    everywhere = AvailableProcessors();
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    onOne = AvailableProcessors();
  }}.join();
  EXPECT_GE(everywhere, 1U);
  EXPECT_LE(everywhere, std::thread::hardware_concurrency());
  EXPECT_EQ(onOne, 1U);
}

}  // namespace
}  // namespace mtlspop
