#include "mtlspop/transport/request.hpp"

#include <gtest/gtest.h>

namespace mtlspop {
namespace {

/// RFC 9110 section 9.2.2.
TEST(RequestTest, KnowsIdempotentMethods) {
  for (auto const* method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})
    EXPECT_TRUE(IsIdempotent(method)) << method;
  for (auto const* method : {"POST", "PATCH", "CONNECT", "get", "GETX", ""})
    EXPECT_FALSE(IsIdempotent(method)) << method;
}

TEST(RequestTest, HasNothingButMethodAndTargetAtFirst) {
  Request const request{"GET", Url::Parse("https://a.example/b")};
  EXPECT_EQ(request.Method, "GET");
  EXPECT_EQ(request.Target.ToString(), "https://a.example/b");
  EXPECT_TRUE(request.Fields.Empty());
  EXPECT_EQ(request.Body, nullptr);
  EXPECT_FALSE(request.ExpectContinue);
  EXPECT_FALSE(request.NeverProxied);
}

TEST(RequestTest, SetBodyKnowsItsLength) {
  Request request{"POST", Url::Parse("https://a.example/b")};
  request.SetBody("hello");
  ASSERT_NE(request.Body, nullptr);
  EXPECT_EQ(request.Body->Length(), 5U);
}

}  // namespace
}  // namespace mtlspop
