// What the command asks its allocator for is heard, and said nothing about.
#include <gmock/gmock.h>

#include "command_process.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;

TEST(CommandAllocatorTest, KeepsAsManyBlocksAsRequestsInFlightNeed) {
  auto const told = RunCommand({{"--version"}, {"MALLOC_CONF=stats_print:true"}, {}}).Error;
  if (told.find("opt.tcache_nslots_small_min") == std::string::npos) GTEST_SKIP() << "not built over jemalloc 5.3";
  EXPECT_THAT(told, HasSubstr("opt.tcache_nslots_small_min: 200"));
}

TEST(CommandAllocatorTest, SaysNothing) {
  auto const result = RunCommand({{"--version"}, {}, {}});
  EXPECT_EQ(result.Error, "");
  EXPECT_EQ(result.Status, 0);
}

}  // namespace
}  // namespace mtlspop::test
