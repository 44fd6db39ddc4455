// What services and resources write, read by somebody who means harm: depth, numbers, tokens that no header can carry.
#include <pthread.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "json.hpp"
#include "jwt.hpp"
#include "mtlspop/base/encoding.hpp"
#include "support/error_code_of.hpp"
#include "token_service.hpp"
#include "token_times.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;

std::string Nested(std::size_t levels) {
  return R"({"a":)" + std::string(levels - 1, '[') + std::string(levels - 1, ']') + "}";
}

/// Runs on a thread with as little stack as services give theirs.
void OnASmallStack(std::function<void()> const& work) {
  constexpr std::size_t bytes = std::size_t{512} * 1024;
  pthread_attr_t attributes;
  ASSERT_EQ(::pthread_attr_init(&attributes), 0);
  ASSERT_EQ(::pthread_attr_setstacksize(&attributes, bytes), 0);
  pthread_t thread{};
  auto const run = [](void* given) -> void* {
    (*static_cast<std::function<void()> const*>(given))();
    return nullptr;
  };
  ASSERT_EQ(::pthread_create(&thread, &attributes, run, const_cast<std::function<void()>*>(&work)), 0);
  ASSERT_EQ(::pthread_join(thread, nullptr), 0);
  ::pthread_attr_destroy(&attributes);
}

std::string TokenWith(std::string const& payload) {
  return "eyJhbGciOiJub25lIn0." + encoding::ToBase64Url(encoding::AsBytes(payload)) + ".c2ln";
}

TEST(AttackJson, DepthIsBoundedWhereItIsParsed) {
  EXPECT_TRUE(json::ParseObject(Nested(json::MostLevels)));
  EXPECT_FALSE(json::ParseObject(Nested(json::MostLevels + 1)));
  EXPECT_TRUE(json::ParseObject("{\"a\":\"" + std::string(1000, '[') + "\"}"));
  EXPECT_TRUE(json::ParseObject(R"({"a\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[":[]})"));
  OnASmallStack([] {
    EXPECT_FALSE(json::ParseObject(Nested(1'000'000)));
    EXPECT_FALSE(json::ParseObject(R"({"a":)" + std::string(1'000'000, '{')));
  });
}

/// 16 KB of them in `claims=` of a challenge.
TEST(AttackJson, NestedClaimsAreRefusedOnASmallStack) {
  OnASmallStack([] {
    EXPECT_EQ(ErrorCodeOf([] { MergeClaims(Nested(8'000), {"cp1"}); }), "invalid_argument");
    EXPECT_FALSE(ReadJwt(TokenWith(Nested(8'000))));
  });
}

TEST(AttackJson, NestedAnswerOfTheTokenServiceIsMalformed) {
  for (std::size_t const levels : {std::size_t{5}, std::size_t{5'000}}) {
    ManagedIdentityWorld world;
    world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
      if (arrived.Form.count("token_type") == 0) return std::nullopt;
      auto answer = world.Cloud->DefaultAnswer(arrived);
      answer.Body.insert(1, R"("x":)" + std::string(levels, '[') + std::string(levels, ']') + ",");
      return answer;
    };
    EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), levels == 5 ? "no error" : "token_response_malformed") << levels;
  }
}

TEST(AttackJson, NumbersOfAnySizeAreTakenForTheNearestTime) {
  auto const expiry = [](std::string const& number) {
    auto const claims = ReadJwt(TokenWith("{\"exp\":" + number + "}"));
    return claims ? claims->ExpiresOn : std::nullopt;
  };
  auto const now = std::chrono::system_clock::now();
  for (char const* const late : {"9e15", "9000000000000000", "9223372036854775807", "18446744073709551615", "1e300"}) {
    ASSERT_TRUE(expiry(late)) << late;
    EXPECT_GT(*expiry(late), now) << late;
  }
  for (char const* const early : {"-9e15", "-9223372036854775808", "-1e300", "0", "1"}) {
    ASSERT_TRUE(expiry(early)) << early;
    EXPECT_LT(*expiry(early), now) << early;
  }
}

TEST(AttackJson, AnswerWhoseTokenHasExpiredIsNoAnswer) {
  auto const now = std::chrono::system_clock::now();
  auto const expiry = [now](std::string const& member) {
    return ReadExpiry(*json::ParseObject("{" + member + "}"), now);
  };
  for (char const* const past :
       {R"("expires_on":1)", R"("expires_on":"1")", R"("expires_on":-9e15)", R"("expires_in":0)"}) {
    EXPECT_FALSE(expiry(past)) << past;
  }
  for (std::string const number : {"9e15", "\"99999999999999999999\"", "1e300"}) {
    EXPECT_EQ(expiry("\"expires_in\":" + number), now + 366 * 24h);
    EXPECT_EQ(expiry("\"expires_on\":" + number), now + 366 * 24h);
  }
}

TEST(AttackJson, JwtWithOtherCharactersThanBase64UrlIsNone) {
  auto const good = TokenWith("{}");
  ASSERT_TRUE(ReadJwt(good));
  for (char const* const wrong : {" ", "\r\n", "=", "+", "\t", "%20", "\xC3\xA4"}) {
    for (auto const at : {std::size_t{3}, good.find('.') + 2, good.size() - 1}) {
      EXPECT_FALSE(ReadJwt(std::string{good}.insert(at, wrong))) << wrong << " at " << at;
    }
  }
}

TEST(AttackJson, TokenThatNoHeaderCanCarryIsNone) {
  for (char const* const token : {"a b", "a\\r\\nX: y", "a\\u0000b", "a,b", "a\\\"b", "\\u00e4", ""}) {
    std::string answer = std::string{R"({"access_token":")"} + token + "\"}";
    EXPECT_TRUE(TakeToken(answer).Empty()) << token;
  }
}

/// The parser of URLs drops a fragment, and a token service takes what follows a space for a second scope.
TEST(AttackScope, TextThatCouldBeReadInTwoWaysIsSentToNobody) {
  for (char const* const scope :
       {"https://vault.azure.net/.default# https://management.azure.com/.default", "https://vault.azure.net/.default#",
        "https://vault.azure.net/?x", "https://vault.azure.net/../x", "https://vault.azure.net/a/./b", "a b", "a\tb",
        "a\nb", "a%20b", "a\\b", "\xC3\xA4", "", ".."}) {
    EXPECT_EQ(ErrorCodeOf([&] { ToScope(scope); }), "invalid_argument") << scope;
  }
  EXPECT_EQ(ToScope("https://vault.azure.net/"), "https://vault.azure.net/.default");
  EXPECT_EQ(ToScope("https://management.azure.com//.default"), "https://management.azure.com//.default");
  EXPECT_EQ(
      ToScope("api://11111111-1111-1111-1111-111111111111"), "api://11111111-1111-1111-1111-111111111111/.default");
}

TEST(AttackJson, ZeroByteIsNoEnd) {
  using namespace std::string_literals;
  EXPECT_FALSE(json::ParseObject("{}\0{\"access_token\":\"a\"}"s));
}

/// The parser keeps what it reads in buffers of its own, which nobody overwrites.
TEST(AttackJson, TokenIsTakenOutBeforeTheParserSeesIt) {
  std::string answer =
      R"({ "inner" : {"access_token":"no"}, "access_token" : "abc\/def\u002d" ,"list":["access_token","x"]})";
  EXPECT_EQ(TakeToken(answer).Reveal(), "abc/def-");
  EXPECT_EQ(answer.find("abc"), std::string::npos);
  auto const object = json::ParseObject(answer);
  ASSERT_TRUE(object);
  EXPECT_EQ(*object->Find("inner")->Find("access_token")->Text(), "no");
  EXPECT_EQ(*object->Find("list")->AsArray()->at(1).Text(), "x");
}

TEST(AttackJson, OfTwoTokensTheLastCountsAndBothAreOverwritten) {
  std::string answer = R"({"access_token":"first","access_token":"second"})";
  EXPECT_EQ(TakeToken(answer).Reveal(), "second");
  EXPECT_EQ(answer.find("first"), std::string::npos);
  std::string number = R"({"access_token":"first","access_token":7})";
  EXPECT_TRUE(TakeToken(number).Empty());
}

TEST(AttackJson, WhatIsWrittenIsWhatWasRead) {
  auto const text =
      R"({"a":[1,-2,3.50,1e2,true,false,null,"x\"\\\u000Ay",{},[]],"b":{"c":18446744073709551615,"d":"\u00e4"}})";
  auto const object = json::ParseObject(text);
  ASSERT_TRUE(object);
  EXPECT_EQ(
      object->ToText(),
      "{\"a\":[1,-2,3.50,1e2,true,false,null,\"x\\\"\\\\\\u000Ay\",{},[]],"
      "\"b\":{\"c\":18446744073709551615,\"d\":\"\xC3\xA4\"}}");
  EXPECT_EQ(json::Value{"a\xFFz"}.ToText(), "\"a\xEF\xBF\xBDz\"") << "what is no UTF-8 is replaced";
  EXPECT_EQ(json::ParseObject(R"({"a":1,"a":2})")->ToText(), R"({"a":2})") << "the last counts";
}

TEST(AttackJson, BrokenAnswersAreNoHarm) {
  for (std::string text :
       {"", "{", "\"", "{\"access_token", "{\"access_token\"", "{\"access_token\":", "{\"access_token\":\"",
        "{\"access_token\":\"a\\", "{\"access_token\":\"a\\\"", "{\"access_token\":\"\\u",
        "{\"access_token\":\"\\u00\"", "]]]}}}", "{\"access_token\":\"a\\u000\"}"}) {
    EXPECT_TRUE(TakeToken(text).Empty()) << text;
    EXPECT_FALSE(json::ParseObject(text)) << text;
  }
}

}  // namespace
}  // namespace mtlspop::test
