// mtlspop/base/random_numbers.hpp.
#include "mtlspop/base/random_numbers.hpp"

#include <chrono>

#include <gtest/gtest.h>

namespace mtlspop {
namespace {

using std::chrono::seconds;

TEST(RandomNumbersTest, AFixedWaitGetsUpToAQuarterOnTopAndIsNeverShorter) {
  EXPECT_EQ(WithJitter(seconds{4}, [] { return 0.0; }), seconds{4});
  EXPECT_EQ(WithJitter(seconds{4}, [] { return 0.5; }), std::chrono::milliseconds{4500});
  EXPECT_LT(WithJitter(seconds{4}, [] { return 0.999999; }), seconds{5});
  EXPECT_EQ(WithinAtRandom(seconds{4}, [] { return 0.0; }), std::chrono::milliseconds{3200});
  EXPECT_EQ(WithinAtRandom(seconds{4}, [] { return 0.5; }), std::chrono::milliseconds{3600});
  EXPECT_LE(WithinAtRandom(seconds{4}, [] { return 0.999999; }), seconds{4});
}

TEST(RandomNumbersTest, TheApplicationsComeFirst) {
  EXPECT_EQ(RandomOr([] { return 0.25; })(), 0.25);
}

TEST(RandomNumbersTest, TheSystemsAreFromZeroToOneAndDiffer) {
  auto const random = RandomOr({});
  auto const first = random();
  bool differ = false;
  for (int count = 0; count < 100; ++count) {
    auto const number = random();
    EXPECT_GE(number, 0);
    EXPECT_LT(number, 1);
    differ = differ || number != first;
  }
  EXPECT_TRUE(differ);
}

}  // namespace
}  // namespace mtlspop
