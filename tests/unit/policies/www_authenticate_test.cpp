#include "mtlspop/policies/www_authenticate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mtlspop/policies/errors.hpp"
#include "resource_challenge.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop {
namespace {

using test::ErrorCodeOf;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

TEST(ParseWwwAuthenticate, ReadsKeyVaultsChallenge) {
  auto const challenges = ParseWwwAuthenticate(
      R"(Bearer authorization="https://login.windows.net/tenant", resource="https://vault.azure.net")");
  ASSERT_THAT(challenges, SizeIs(1));
  EXPECT_EQ(challenges[0].Scheme, "Bearer");
  EXPECT_THAT(
      challenges[0].Parameters,
      ElementsAre(
          Pair("authorization", "https://login.windows.net/tenant"), Pair("resource", "https://vault.azure.net")));
  EXPECT_EQ(*challenges[0].Find("RESOURCE"), "https://vault.azure.net");
  EXPECT_EQ(challenges[0].Find("scope"), nullptr);
}

// RFC 9110 section 11.6.1 has this example.
TEST(ParseWwwAuthenticate, ReadsSeveralChallengesOfOneField) {
  auto const challenges =
      ParseWwwAuthenticate(R"(Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\"")");
  ASSERT_THAT(challenges, SizeIs(2));
  EXPECT_THAT(challenges[0].Parameters, ElementsAre(Pair("realm", "simple")));
  EXPECT_EQ(challenges[1].Scheme, "Newauth");
  EXPECT_THAT(
      challenges[1].Parameters,
      ElementsAre(Pair("realm", "apps"), Pair("type", "1"), Pair("title", "Login to \"apps\"")));
}

TEST(ParseWwwAuthenticate, ReadsToken68AndSchemesAlone) {
  auto const challenges = ParseWwwAuthenticate("Negotiate abc+/~.-_==, NTLM , Basic realm=x");
  ASSERT_THAT(challenges, SizeIs(3));
  EXPECT_EQ(challenges[0].Token68, "abc+/~.-_==");
  EXPECT_EQ(challenges[1].Scheme, "NTLM");
  EXPECT_THAT(challenges[1].Parameters, IsEmpty());
  EXPECT_THAT(challenges[2].Parameters, ElementsAre(Pair("realm", "x")));
}

TEST(ParseWwwAuthenticate, ReadsParametersThatOnlySpacesPart) {
  auto const challenges = ParseWwwAuthenticate(
      "Bearer authorization_uri=https://login.microsoftonline.com/t/oauth2/authorize "
      "resource_id=https://storage.azure.com");
  ASSERT_THAT(challenges, SizeIs(1));
  EXPECT_EQ(*challenges[0].Find("resource_id"), "https://storage.azure.com");
}

TEST(ParseWwwAuthenticate, TakesSpacesAroundTheEqualsSign) {
  auto const challenges = ParseWwwAuthenticate(" ,, Bearer  realm = \"a, b=c\" ,\t error = insufficient_claims ,");
  ASSERT_THAT(challenges, SizeIs(1));
  EXPECT_THAT(challenges[0].Parameters, ElementsAre(Pair("realm", "a, b=c"), Pair("error", "insufficient_claims")));
}

TEST(ParseWwwAuthenticate, KeepsWhatCameBeforeNonsense) {
  EXPECT_THAT(ParseWwwAuthenticate(""), IsEmpty());
  EXPECT_THAT(ParseWwwAuthenticate("=\"x\""), IsEmpty());
  EXPECT_THAT(ParseWwwAuthenticate("\"Bearer\""), IsEmpty());
  auto const challenges = ParseWwwAuthenticate("Bearer a=\"1\", b=\"never ends");
  ASSERT_THAT(challenges, SizeIs(1));
  EXPECT_THAT(challenges[0].Parameters, ElementsAre(Pair("a", "1")));
  EXPECT_THAT(ParseWwwAuthenticate("Bearer a=\"1\" \x01 b=2"), SizeIs(1));
}

TEST(ParseWwwAuthenticate, HasLimits) {
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "Scheme" + std::to_string(i) + ", ";
  EXPECT_THAT(ParseWwwAuthenticate(many), SizeIs(32));
  std::string long_ = "Bearer ";
  for (int i = 0; i < 1000; ++i) long_ += "p" + std::to_string(i) + "=1, ";
  EXPECT_THAT(ParseWwwAuthenticate(long_)[0].Parameters, SizeIs(64));
}

Url const Vault = Url::Parse("https://myvault.vault.azure.net/secrets/a");

TEST(ResourceChallenge, TakesScopeAndTenantFromKeyVault) {
  auto const found = FindResourceChallenge(
      ParseWwwAuthenticate(
          R"(Bearer authorization="https://login.windows.net/my-tenant/", resource="https://vault.azure.net/")"),
      Vault);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->Scope, "https://vault.azure.net/.default");
  EXPECT_EQ(found->TenantId, "my-tenant");
}

TEST(ResourceChallenge, LeavesTheTenantOpenWhereTheChallengeNamesAll) {
  auto const found = FindResourceChallenge(
      ParseWwwAuthenticate(
          R"(Bearer authorization_uri="https://login.windows.net/common", scope="https://vault.azure.net/.default")"),
      Vault);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->TenantId, "");
}

TEST(ResourceChallenge, IsNoneWithoutResource) {
  EXPECT_FALSE(FindResourceChallenge(ParseWwwAuthenticate("Bearer realm=\"x\""), Vault));
  EXPECT_FALSE(FindResourceChallenge(ParseWwwAuthenticate("Basic resource=\"https://vault.azure.net\""), Vault));
  EXPECT_FALSE(FindResourceChallenge({}, Vault));
}

class ForeignResource : public testing::TestWithParam<char const*> {};

TEST_P(ForeignResource, IsRefused) {
  EXPECT_EQ(
      ErrorCodeOf([] { FindResourceChallenge(ParseWwwAuthenticate(GetParam()), Vault); }),
      errors::ChallengeRejected.Name());
}

INSTANTIATE_TEST_SUITE_P(
    Challenges,
    ForeignResource,
    testing::Values(
        R"(Bearer resource="https://graph.microsoft.com")",
        R"(Bearer resource="https://ault.azure.net")",
        R"(Bearer resource="https://net")",
        R"(Bearer resource="http://vault.azure.net")",
        R"(Bearer resource="vault.azure.net")",
        R"(Bearer resource="https://other.vault.azure.net")",
        R"(Bearer scope="https://graph.microsoft.com/.default")",
        R"(Bearer resource="https://vault.azure.net", authorization="http://login.windows.net/t")",
        R"(Bearer resource="https://vault.azure.net", authorization="login")",
        R"(Bearer resource="https://vault.azure.net", authorization="https://login.windows.net/a%2Fb")"));

TEST(FindClaims, DecodesBothAlphabets) {
  // {"a":"??>"}
  EXPECT_EQ(
      FindClaims(ParseWwwAuthenticate(R"(Bearer error="insufficient_claims", claims="eyJhIjoiPz8+In0=")")),
      R"({"a":"??>"})");
  EXPECT_EQ(
      FindClaims(ParseWwwAuthenticate(R"(mtls_pop error="insufficient_claims", claims="eyJhIjoiPz8-In0")")),
      R"({"a":"??>"})");
}

TEST(FindClaims, IsEmptyWithoutTheErrorOrWithNonsense) {
  EXPECT_EQ(FindClaims(ParseWwwAuthenticate(R"(Bearer claims="e30")")), "");
  EXPECT_EQ(FindClaims(ParseWwwAuthenticate(R"(Bearer error="insufficient_claims", claims="!!")")), "");
  EXPECT_EQ(FindClaims(ParseWwwAuthenticate(R"(Bearer error="invalid_token", claims="e30")")), "");
}

}  // namespace
}  // namespace mtlspop
