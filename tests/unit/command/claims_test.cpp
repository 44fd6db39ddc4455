#include "claims.hpp"

#include <gtest/gtest.h>

#include "mtlspop/base/encoding.hpp"

namespace mtlspop::command {
namespace {

std::string Token(std::string const& payload) {
  return "eyJhbGciOiJub25lIn0." + encoding::ToBase64Url(encoding::AsBytes(payload)) + ".c2ln";
}

TEST(Claims, AreReadFromTheSecondPart) {
  auto const claims = ReadClaims(Token(R"({"aud":"x","exp":1000,"cnf":{"x5t#S256":"id"}})"));
  ASSERT_TRUE(claims);
  EXPECT_EQ(TextOf(*claims, "aud"), "x");
  EXPECT_EQ(TextOf(*claims, "exp"), "") << "not a text";
  EXPECT_EQ(BoundTo(*claims), "id");
  EXPECT_EQ(ExpiryOf(*claims)->time_since_epoch(), std::chrono::seconds{1000});
}

TEST(Claims, OfWhatIsNoJwtAreNone) {
  for (auto const& text :
       {std::string{}, std::string{"a"}, std::string{"a.b"}, std::string{"a.b.c.d"}, std::string{"a.!.c"}, Token("[]"),
        Token("nonsense"), Token("")}) {
    EXPECT_FALSE(ReadClaims(text)) << text;
  }
}

TEST(Claims, MayBeMissingOrOfAnotherKind) {
  auto const claims = ReadClaims(Token(R"({"cnf":"x","exp":-1})"));
  ASSERT_TRUE(claims);
  EXPECT_EQ(BoundTo(*claims), "");
  EXPECT_FALSE(ExpiryOf(*claims));
  EXPECT_FALSE(ExpiryOf(*ReadClaims(Token(R"({"exp":1e300})"))));
  EXPECT_FALSE(ExpiryOf(*ReadClaims(Token("{}"))));
}

/// Whoever prints them walks through them by recursion.
TEST(AttackClaims, ThatAreNestedWithoutEndAreNone) {
  EXPECT_TRUE(ReadClaims(Token("{\"a\":" + std::string(30, '[') + std::string(30, ']') + "}")));
  for (std::size_t const depth : {33U, 300'000U}) {
    EXPECT_FALSE(ReadClaims(Token("{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}"))) << depth;
  }
}

}  // namespace
}  // namespace mtlspop::command
