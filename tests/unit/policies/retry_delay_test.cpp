#include "mtlspop/policies/retry_delay.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mtlspop {
namespace {

using namespace std::chrono_literals;

TEST(ReadHttpDate, ReadsTheFormThatServersSend) {
  auto const date = ReadHttpDate("Sun, 06 Nov 1994 08:49:37 GMT");
  ASSERT_TRUE(date);
  EXPECT_EQ(date->time_since_epoch(), std::chrono::seconds{784111777});
  EXPECT_EQ(ReadHttpDate("Tue, 29 Feb 2000 00:00:00 GMT")->time_since_epoch(), std::chrono::seconds{951782400});
  EXPECT_FALSE(ReadHttpDate("Sun, 06 Nov 1994 08:49:37 CET"));
  EXPECT_FALSE(ReadHttpDate("Sun, 06 Foo 1994 08:49:37 GMT"));
  EXPECT_FALSE(ReadHttpDate("soon"));
}

TEST(ReadRetryAfter, TakesSecondsMillisecondsAndDates) {
  auto const now = *ReadHttpDate("Sun, 06 Nov 1994 08:49:37 GMT");
  auto const read = [now](std::string name, std::string value) {
    Headers fields;
    fields.Add(std::move(name), std::move(value));
    return ReadRetryAfter(fields, now);
  };
  EXPECT_EQ(read("Retry-After", "3"), 3s);
  EXPECT_EQ(read("Retry-After", "Sun, 06 Nov 1994 08:49:40 GMT"), 3s);
  EXPECT_EQ(read("Retry-After", "Sun, 06 Nov 1994 08:00:00 GMT"), 0s);
  EXPECT_EQ(read("retry-after-ms", "42"), 42ms);
  EXPECT_EQ(read("Retry-After", "-3"), std::nullopt);
  EXPECT_EQ(read("Retry-After", "99999999999999999999"), std::nullopt);
  EXPECT_EQ(read("Other", "3"), std::nullopt);
}

}  // namespace
}  // namespace mtlspop
