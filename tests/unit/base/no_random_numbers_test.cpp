// What is done at random where the system has no random numbers to give: a seccomp profile without getrandom.

#include <array>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <gsl/util>

#include "mtlspop/base/random_bytes.hpp"
#include "mtlspop/base/random_numbers.hpp"
#include "mtlspop/base/uuid.hpp"
#include "support/failing_random.hpp"

namespace mtlspop {
namespace {

TEST(AttackRandomNumbersTest, AreMadeUpWhereTheSystemHasNone) {
  test::thereAreNoRandomNumbers = true;
  auto const back = gsl::finally([] { test::thereAreNoRandomNumbers = false; });
  std::array<std::uint8_t, 4> bytes{};
  ASSERT_FALSE(FillRandom(bytes));
  constexpr std::size_t many = 1000;
  std::set<std::string> ids;
  std::set<double> numbers;
  auto const random = SystemRandomNumbers();
  for (std::size_t index = 0; index < many; ++index) {
    ids.insert(NewUuid());
    auto const number = random();
    EXPECT_GE(number, 0);
    EXPECT_LT(number, 1);
    numbers.insert(number);
  }
  EXPECT_EQ(ids.size(), many);
  EXPECT_EQ(numbers.size(), many);
}

}  // namespace
}  // namespace mtlspop
