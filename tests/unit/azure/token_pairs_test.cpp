#include "token_pairs.hpp"

#include <gtest/gtest.h>

#include "fakes.hpp"
#include "support/manual_clock.hpp"

namespace mtlspop::azure {
namespace {

using namespace mtlspop::test;
using namespace std::chrono_literals;

class TokenPairsTest : public testing::Test {
 protected:
  AccessToken Make(std::string const& text, std::chrono::seconds life) {
    auto token = MakeBoundToken(text, MakeNamedBinding("key of " + text));
    token.ExpiresOn = clock_->Now() + life;
    return token;
  }

  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  TokenPairs pairs_{clock_};
};

TEST_F(TokenPairsTest, FindsTheBindingOfExactlyThatToken) {
  pairs_.Remember(Make("a", 1h), {});
  pairs_.Remember(Make("b", 1h), {});
  ASSERT_TRUE(pairs_.Find("a"));
  EXPECT_EQ(pairs_.Find("a")->Token.Binding->X5tS256(), "key of a");
  EXPECT_EQ(pairs_.Find("b")->Token.Binding->X5tS256(), "key of b");
  EXPECT_FALSE(pairs_.Find("c"));
}

TEST_F(TokenPairsTest, KeepsAPairUntilItsTokenHasExpired) {
  pairs_.Remember(Make("old", 1h), {});
  clock_->Advance(1h);
  pairs_.Remember(Make("new", 1h), {});
  EXPECT_TRUE(pairs_.Find("old"));
  clock_->Advance(10min);
  pairs_.Remember(Make("newer", 1h), {});
  EXPECT_FALSE(pairs_.Find("old"));
  EXPECT_EQ(pairs_.Size(), 2U);
}

TEST_F(TokenPairsTest, IsBounded) {
  for (std::size_t i = 0; i < TokenPairs::MaximumPairs + 10; ++i) {
    pairs_.Remember(Make(std::to_string(i), 1h + std::chrono::seconds{i}), {});
  }
  EXPECT_EQ(pairs_.Size(), TokenPairs::MaximumPairs);
  EXPECT_FALSE(pairs_.Find("0"));
  EXPECT_TRUE(pairs_.Find(std::to_string(TokenPairs::MaximumPairs + 9)));
}

TEST_F(TokenPairsTest, StandsForAReplacement) {
  TokenRequest request;
  request.Scopes = {"scope"};
  pairs_.Remember(Make("old", 1h), request);
  pairs_.Replace("old", Make("new", 1h));
  EXPECT_EQ(pairs_.Find("old")->Token.Token.Reveal(), "new");
  EXPECT_EQ(pairs_.Find("old")->Request.Scopes.front(), "scope");
}

TEST_F(TokenPairsTest, RemembersWhoTakesOnlyBearerTokensAndIsBounded) {
  EXPECT_FALSE(pairs_.TakesOnlyBearer("host-0"));
  for (std::size_t i = 0; i < TokenPairs::MaximumHosts + 10; ++i)
    pairs_.RememberBearerOnly("host-" + std::to_string(i));
  EXPECT_TRUE(pairs_.TakesOnlyBearer("host-0"));
  EXPECT_FALSE(pairs_.TakesOnlyBearer("host-" + std::to_string(TokenPairs::MaximumHosts + 9)));
  EXPECT_FALSE(pairs_.TakesOnlyBearer("another"));
}

TEST(IsBoundToken, LooksForTheConfirmationClaim) {
  // {"cnf":{"x5t#S256":"abc"}}
  EXPECT_TRUE(IsBoundToken("e30.eyJjbmYiOnsieDV0I1MyNTYiOiJhYmMifX0.c2ln"));
  // {"sub":"a"}
  EXPECT_FALSE(IsBoundToken("e30.eyJzdWIiOiJhIn0.c2ln"));
  EXPECT_FALSE(IsBoundToken("no token"));
  EXPECT_FALSE(IsBoundToken("a.!!!.c"));
  EXPECT_FALSE(IsBoundToken(""));
}

}  // namespace
}  // namespace mtlspop::azure
