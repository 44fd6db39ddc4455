#include "mtlspop/base/http_date.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mtlspop {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;
using Time = std::chrono::system_clock::time_point;

/// 2026-11-28 00:00:00.
constexpr Time Now{seconds{1795824000}};

TEST(HttpDate, IsReadInAllThreeForms) {
  Time const expected{seconds{784111777}};
  for (auto const* const text :
       {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) {
    EXPECT_EQ(ReadHttpDate(text, Now), expected) << text;
  }
  EXPECT_EQ(ReadHttpDate("Sun Nov 16 08:49:37 1994", Now), expected + 240h);
}

/// RFC 9110 section 5.6.7: more than fifty years ahead is past.
TEST(HttpDate, OfTwoDigitsIsNoMoreThanFiftyYearsAhead) {
  EXPECT_EQ(ReadHttpDate("Saturday, 28-Nov-26 00:00:00 GMT", Now), Now);
  EXPECT_EQ(ReadHttpDate("Saturday, 01-Jan-76 00:00:00 GMT", Now), Time{seconds{3345062400}});  // 2076
  EXPECT_EQ(ReadHttpDate("Saturday, 01-Jan-77 00:00:00 GMT", Now), Time{seconds{220924800}});   // 1977
  EXPECT_EQ(ReadHttpDate("Saturday, 01-Jan-00 00:00:00 GMT", Now), Time{seconds{946684800}});   // 2000
}

TEST(HttpDate, KnowsLeapYearsAndLeapSeconds) {
  EXPECT_EQ(ReadHttpDate("Tue, 29 Feb 2000 00:00:00 GMT", Now), Time{seconds{951782400}});
  EXPECT_FALSE(ReadHttpDate("Wed, 29 Feb 2023 00:00:00 GMT", Now));
  EXPECT_FALSE(ReadHttpDate("Mon, 29 Feb 2100 00:00:00 GMT", Now));
  EXPECT_EQ(ReadHttpDate("Sat, 31 Dec 2016 23:59:60 GMT", Now), Time{seconds{1483228800}});
}

TEST(HttpDate, ThatIsNoneIsRefused) {
  for (auto const* const text :
       {"", "soon", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1969 08:49:37 GMT",
        "Xyz, 06 Nov 1994 08:49:37 GMT", "Sun, 06-Nov-94 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994", "Sun Nov  6 08:49:37 94", "Sun Nov  6 08:49:37 1994 GMT",
        "Sun, 06 Nov 1994 +8:49:37 GMT"}) {
    EXPECT_FALSE(ReadHttpDate(text, Now)) << text;
  }
}

/// A clock of 64 bits of nanoseconds ends in 2262.
TEST(HttpDate, BeyondTheClocksEndIsItsEnd) {
  auto const end = std::chrono::floor<seconds>(Time::max());
  EXPECT_EQ(ReadHttpDate("Sun, 06 Nov 9999 08:49:37 GMT", Now), end);
  EXPECT_EQ(ReadRetryAfterValue("Sun, 06 Nov 9999 08:49:37 GMT", Now), 24h * 3650);
}

TEST(RetryAfterValue, IsSecondsOrADate) {
  EXPECT_EQ(ReadRetryAfterValue("3", Now), 3s);
  EXPECT_EQ(ReadRetryAfterValue("0", Now), 0s);
  EXPECT_EQ(ReadRetryAfterValue("Sat, 28 Nov 2026 00:00:30 GMT", Now), 30s);
  EXPECT_EQ(ReadRetryAfterValue("Saturday, 28-Nov-26 00:00:30 GMT", Now), 30s);
  EXPECT_EQ(ReadRetryAfterValue("Sat Nov 28 00:00:30 2026", Now), 30s);
  EXPECT_EQ(ReadRetryAfterValue("Sun, 06 Nov 1994 08:49:37 GMT", Now), 0s);
  for (auto const* const text : {"", "-1", "1.5", "soon", "99999999999999999999", "1 "}) {
    EXPECT_FALSE(ReadRetryAfterValue(text, Now)) << text;
  }
}

TEST(RetryAfterValue, IsTenYearsAtMost) {
  EXPECT_EQ(ReadRetryAfterValue("9000000000000000000", Now), 24h * 3650);
  EXPECT_EQ(ReadRetryAfterValue("Sat, 28 Nov 2126 00:00:30 GMT", Now), 24h * 3650);
}

}  // namespace
}  // namespace mtlspop
