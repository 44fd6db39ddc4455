#include "mtlspop/policies/retry_delay.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mtlspop {
namespace {

using namespace std::chrono_literals;

TEST(ReadRetryAfter, TakesSecondsMillisecondsAndDates) {
  // Sun, 06 Nov 1994 08:49:37 GMT
  std::chrono::system_clock::time_point const now{784111777s};
  auto const read = [now](std::string name, std::string value) {
    Headers fields;
    fields.Add(std::move(name), std::move(value));
    return ReadRetryAfter(fields, now);
  };
  EXPECT_EQ(read("Retry-After", "3"), 3s);
  EXPECT_EQ(read("Retry-After", "Sun, 06 Nov 1994 08:49:40 GMT"), 3s);
  EXPECT_EQ(read("Retry-After", "Sunday, 06-Nov-94 08:49:40 GMT"), 3s);
  EXPECT_EQ(read("Retry-After", "Sun Nov  6 08:49:40 1994"), 3s);
  EXPECT_EQ(read("Retry-After", "Sun, 06 Nov 1994 08:00:00 GMT"), 0s);
  EXPECT_EQ(read("retry-after-ms", "42"), 42ms);
  EXPECT_EQ(read("Retry-After", "-3"), std::nullopt);
  EXPECT_EQ(read("Retry-After", "99999999999999999999"), std::nullopt);
  EXPECT_EQ(read("Other", "3"), std::nullopt);
}

}  // namespace
}  // namespace mtlspop
