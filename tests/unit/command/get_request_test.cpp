#include "get_request.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "support/error_code_of.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::command {
namespace {

using test::ErrorCodeOf;

class GetRequestTest : public testing::Test {
 protected:
  GetRequestTest() { options_.Url = "https://a.example/x?y"; }

  Request Make() { return MakeGetRequest(options_, in_); }
  std::string Body() {
    auto const request = Make();
    return request.Body ? ReadToEnd(*request.Body, 100'000, {}) : "none";
  }

  GetRequestOptions options_;
  std::istringstream in_{"of input\nsecond\n"};
  test::TemporaryDirectory folder_;
};

TEST_F(GetRequestTest, IsAGetByItself) {
  auto const request = Make();
  EXPECT_EQ(request.Method, "GET");
  EXPECT_EQ(request.Target.ToString(), "https://a.example/x?y");
  EXPECT_FALSE(request.Body);
  EXPECT_THAT(std::string{request.Fields.Get("User-Agent")}, testing::StartsWith("mtlspop/"));
}

TEST_F(GetRequestTest, NeedsNoScheme) {
  options_.Url = "a.example";
  EXPECT_EQ(Make().Target.ToString(), "https://a.example/");
}

TEST_F(GetRequestTest, TakesTheMethodThatGoesWithTheBody) {
  options_.Data = {"a"};
  EXPECT_EQ(Make().Method, "POST");
  options_.Method = "PATCH";
  EXPECT_EQ(Make().Method, "PATCH");
  options_ = {};
  options_.Url = "https://a.example";
  options_.UploadFile = folder_.WriteFile("up", "content");
  EXPECT_EQ(Make().Method, "PUT");
  options_.UploadFile.clear();
  options_.IsHead = true;
  EXPECT_EQ(Make().Method, "HEAD");
}

TEST_F(GetRequestTest, JoinsDataAsCurlDoes) {
  options_.Data = {"a=1", "@" + folder_.WriteFile("data", "b=2\r\nc=3\n")};
  options_.DataRaw = {"@d"};
  EXPECT_EQ(Body(), "a=1&b=2c=3&@d");
  EXPECT_EQ(Make().Fields.Get("Content-Type"), "application/x-www-form-urlencoded");
  options_.Data = {"@-"};
  options_.DataRaw = {};
  EXPECT_EQ(Body(), "of inputsecond");
}

TEST_F(GetRequestTest, StreamsFilesAsTheyAre) {
  options_.DataBinary = "@" + folder_.WriteFile("data", "b=2\r\n");
  EXPECT_EQ(Body(), "b=2\r\n");
  EXPECT_EQ(Make().Body->Length(), 5U);
  EXPECT_TRUE(Make().Body->TryRewind());
  options_.DataBinary.clear();
  options_.UploadFile = "-";
  auto const piped = Make();
  EXPECT_EQ(piped.Body->Length(), std::nullopt);
  EXPECT_FALSE(piped.Body->TryRewind());
  EXPECT_TRUE(piped.ExpectContinue);
  EXPECT_EQ(ReadToEnd(*piped.Body, 100, {}), "of input\nsecond\n");
}

TEST_F(GetRequestTest, AFileCanBeReadAgain) {
  options_.UploadFile = folder_.WriteFile("up", "content");
  auto const request = Make();
  EXPECT_EQ(ReadToEnd(*request.Body, 100, {}), "content");
  EXPECT_TRUE(request.Body->TryRewind());
  EXPECT_EQ(ReadToEnd(*request.Body, 100, {}), "content");
}

TEST_F(GetRequestTest, TakesFields) {
  options_.Headers = {"X-A:  1 ", "X-A: 2", "Accept:", "X-Empty;", "Content-Type: text/plain"};
  options_.Data = {"x"};
  auto const request = Make();
  EXPECT_THAT(request.Fields.GetAll("X-A"), testing::ElementsAre("1", "2"));
  EXPECT_FALSE(request.Fields.Contains("Accept"));
  ASSERT_TRUE(request.Fields.Contains("X-Empty"));
  EXPECT_EQ(request.Fields.Get("X-Empty"), "");
  EXPECT_THAT(request.Fields.GetAll("Content-Type"), testing::ElementsAre("text/plain"));
}

TEST_F(GetRequestTest, TakesFieldsFromAFile) {
  options_.Headers = {"@" + folder_.WriteFile("fields", "X-A: 1\r\n\r\nX-B: 2\n")};
  EXPECT_EQ(Make().Fields.Get("X-B"), "2");
}

TEST_F(GetRequestTest, AnEmptyExpectSendsTheBodyAtOnce) {
  options_.UploadFile = "-";
  options_.Headers = {"Expect:"};
  EXPECT_FALSE(Make().ExpectContinue);
}

TEST_F(GetRequestTest, RefusesWhatIsNotItsBusiness) {
  for (auto const* const field :
       {"Authorization: x", "authorization:", "x-ms-tokenboundauth: true", "Content-Length: 3", "TE: x", "nonsense"}) {
    options_.Headers = {field};
    EXPECT_EQ(ErrorCodeOf([&] { Make(); }), "usage") << field;
  }
  options_.Headers.clear();
  options_.Url = "http://a.example";
  EXPECT_EQ(ErrorCodeOf([&] { Make(); }), "usage");
  options_.Url = "ftp://a.example";
  EXPECT_EQ(ErrorCodeOf([&] { Make(); }), "url_malformed");
}

}  // namespace
}  // namespace mtlspop::command
