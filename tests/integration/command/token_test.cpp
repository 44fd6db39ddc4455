// `mtlspop token`: what a token says, and not the token.
#include <gmock/gmock.h>

#include "command_process.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

using TokenTest = CommandTest;

TEST_F(TokenTest, ShowsWhatItSays) {
  auto const result = Run({"token", "--resource", "https://vault.azure.net"});
  EXPECT_EQ(result.Status, 0) << result.Error;
  EXPECT_THAT(
      result.Out, AllOf(
                      HasSubstr("token_type: mtls_pop"), HasSubstr("aud: https://vault.azure.net"),
                      HasSubstr("x5t#S256: "), HasSubstr("strength: software")));
  EXPECT_THAT(SecretsIn(result.Out + result.Error), IsEmpty());
}

TEST_F(TokenTest, SaysItAsJson) {
  auto const result = Run({"token", "--json", VaultUrl()});
  EXPECT_EQ(result.Status, 0) << result.Error;
  auto const said = json::parse(result.Out);
  EXPECT_EQ(said.at("token_type"), "mtls_pop");
  EXPECT_EQ(said.at("claims").at("cnf").at("x5t#S256"), said.at("binding").at("x5t#S256"));
  EXPECT_FALSE(said.contains("access_token"));
  EXPECT_THAT(SecretsIn(result.Out + result.Error), IsEmpty());
}

TEST_F(TokenTest, IsRevealedOnlyWhereThatIsAskedFor) {
  auto const text = Run({"token", "--reveal", VaultUrl()});
  EXPECT_EQ(text.Status, 0) << text.Error;
  EXPECT_THAT(SecretsIn(text.Out), Contains("token"));
  auto const said = json::parse(Run({"token", "--reveal", "--json", VaultUrl()}).Out);
  EXPECT_THAT(SecretsIn(said.at("access_token")), Contains("token"));
}

}  // namespace
}  // namespace mtlspop::test
