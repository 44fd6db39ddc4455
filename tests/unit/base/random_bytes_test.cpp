#include "mtlspop/base/random_bytes.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "mtlspop/base/uuid.hpp"

namespace mtlspop {
namespace {

TEST(RandomBytesTest, FillsAllOfIt) {
  // The odds that one of a thousand places stays zero in each of twenty tries: one in 2^150.
  std::array<std::uint8_t, 1000> seen{};
  for (int tries = 0; tries < 20; ++tries) {
    std::array<std::uint8_t, 1000> bytes{};
    ASSERT_TRUE(FillRandom(bytes));
    std::transform(bytes.begin(), bytes.end(), seen.begin(), seen.begin(), [](auto left, auto right) {
      return static_cast<std::uint8_t>(left | right);
    });
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 0), 0);
  EXPECT_TRUE(FillRandom({}));
}

TEST(RandomBytesTest, MakeIdsThatAreUuidsOfVersionFour) {
  std::set<std::string> ids;
  for (int count = 0; count < 100; ++count) {
    auto const id = NewUuid();
    ASSERT_EQ(id.size(), 36U);
    EXPECT_EQ(id[14], '4') << id;
    EXPECT_NE(std::string{"89ab"}.find(id[19]), std::string::npos) << id;
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 100U);
}

}  // namespace
}  // namespace mtlspop
