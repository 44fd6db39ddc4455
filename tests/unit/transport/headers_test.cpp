#include "mtlspop/transport/headers.hpp"

#include <gmock/gmock.h>

#include <vector>

namespace mtlspop {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

std::vector<Headers::Field> All(Headers const& fields) { return {fields.begin(), fields.end()}; }

TEST(HeadersTest, NamesCompareWithoutRegardToCase) {
  Headers fields;
  fields.Add("Content-Type", "text/plain");
  EXPECT_EQ(fields.Get("content-type"), "text/plain");
  EXPECT_TRUE(fields.Contains("CONTENT-TYPE"));
  ASSERT_NE(fields.Find("Content-TYPE"), nullptr);
  EXPECT_FALSE(fields.Contains("Content-Typ"));
  EXPECT_EQ(fields.Find("Accept"), nullptr);
  EXPECT_EQ(fields.Get("Accept"), "");
}

TEST(HeadersTest, KeepsOrderAndRepetitions) {
  Headers fields;
  fields.Add("Set-Cookie", "a");
  fields.Add("Server", "IMDS");
  fields.Add("set-cookie", "b");
  EXPECT_THAT(fields.GetAll("Set-Cookie"), ElementsAre("a", "b"));
  EXPECT_EQ(fields.Get("Set-Cookie"), "a");
  EXPECT_THAT(All(fields), ElementsAre(Pair("Set-Cookie", "a"), Pair("Server", "IMDS"), Pair("set-cookie", "b")));
}

TEST(HeadersTest, SetLeavesOneFieldOfThatName) {
  Headers fields;
  fields.Add("A", "1");
  fields.Add("B", "2");
  fields.Add("a", "3");
  fields.Set("A", "4");
  EXPECT_EQ(fields.Size(), 2U);
  EXPECT_THAT(fields.GetAll("a"), ElementsAre("4"));
  fields.Set("C", "5");
  EXPECT_EQ(fields.Get("c"), "5");
}

TEST(HeadersTest, RemovesAllOfAName) {
  Headers fields;
  fields.Add("A", "1");
  fields.Add("B", "2");
  fields.Add("a", "3");
  EXPECT_TRUE(fields.Remove("a"));
  EXPECT_FALSE(fields.Remove("a"));
  EXPECT_THAT(All(fields), ElementsAre(Pair("B", "2")));
  EXPECT_TRUE(fields.Remove("B"));
  EXPECT_TRUE(fields.Empty());
  EXPECT_THAT(fields.GetAll("B"), IsEmpty());
}

/// Only ASCII letters have two cases here, whatever the locale: 'I' and a dotless one must never be the same field.
TEST(HeadersTest, EqualsIgnoreCaseKnowsAsciiOnly) {
  EXPECT_TRUE(EqualsIgnoreCase("mTLS_PoP", "MTLS_pop"));
  EXPECT_TRUE(EqualsIgnoreCase("", ""));
  EXPECT_FALSE(EqualsIgnoreCase("a", "ab"));
  EXPECT_FALSE(EqualsIgnoreCase("@", "`"));
  EXPECT_FALSE(EqualsIgnoreCase("[", "{"));
  EXPECT_FALSE(EqualsIgnoreCase("\xC9", "\xE9"));
}

}  // namespace
}  // namespace mtlspop
