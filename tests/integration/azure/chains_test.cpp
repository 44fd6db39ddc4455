// A bound credential in a chain of Azure Identity's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <azure/identity/chained_token_credential.hpp>

#include "azure/azure_fixture.hpp"

namespace mtlspop::test {
namespace {

using Azure::Core::Credentials::AuthenticationException;

/// Has no token for anybody.
class RefusingCredential final : public Azure::Core::Credentials::TokenCredential {
 public:
  RefusingCredential() : TokenCredential("RefusingCredential") {}
  Azure::Core::Credentials::AccessToken GetToken(
      Azure::Core::Credentials::TokenRequestContext const&, Azure::Core::Context const&) const override {
    throw AuthenticationException("not here");
  }
};

TEST_F(AzureAgainstEmulator, CanBeAPartOfAChain) {
  auto const bound = MakeCredential();
  auto const chain = std::make_shared<Azure::Identity::ChainedTokenCredential>(
      Azure::Identity::ChainedTokenCredential::Sources{std::make_shared<RefusingCredential>(), bound});
  SecretClient const client{VaultUrl(), chain, Bound<SecretClientOptions>(bound)};
  EXPECT_TRUE(client.GetSecret("boundsecret").Value.Value.HasValue());
}

/// Has no token for anybody, as one of ours.
class RefusingSource final : public TokenCredential {
 public:
  AccessToken GetToken(TokenRequest const&, Context const&) override {
    throw Error{{errors::ConnectFailed, "there is nobody", "look elsewhere"}};
  }
  std::string_view Name() const noexcept override { return "RefusingSource"; }
};

/// Both parts bound, the first or the second one with a token.
TEST_F(AzureAgainstEmulator, CanBeEachPartOfAChain) {
  auto const refusing = std::make_shared<azure::BoundTokenCredential>(std::make_shared<RefusingSource>());
  auto const first = MakeCredential();
  auto const user = emulator_.Startup().at("identities").at(1).at("client_id").get<std::string>();
  auto const second = MakeCredential(ManagedIdentityId::FromClientId(user));
  using Sources = Azure::Identity::ChainedTokenCredential::Sources;
  for (auto const& sources : {Sources{first, second}, Sources{refusing, second}}) {
    SecretClientOptions options;
    azure::UseTokenBinding(options, first);
    azure::UseTokenBinding(options, refusing);
    azure::UseTokenBinding(options, second);
    SecretClient const client{VaultUrl(), std::make_shared<Azure::Identity::ChainedTokenCredential>(sources), options};
    EXPECT_TRUE(client.GetSecret("boundsecret").Value.Value.HasValue());
  }
  EXPECT_EQ(Statistics().at("credentials_issued"), 2);
}

}  // namespace
}  // namespace mtlspop::test
