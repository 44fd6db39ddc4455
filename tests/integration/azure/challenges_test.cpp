#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "azure/azure_fixture.hpp"

namespace mtlspop::test {
namespace {

using Azure::Core::Credentials::AuthenticationException;
using nlohmann::json;
using testing::HasSubstr;

class AzureChallenges : public AzureAgainstEmulator {
 protected:
  /// Answers requests for a secret like this from now on, with a challenge as Key Vault's are.
  void ArmUnauthorized(std::string const& tenant, std::string const& more, std::string const& message, int count) {
    auto const challenge = "Bearer authorization=\"https://login.microsoftonline.com/" + tenant +
                           "\", resource=\"https://vault.azure.net\"";
    emulator_.ArmFault(
        {{"path", "/secrets/boundsecret"},
         {"service", "vault"},
         {"count", count},
         {"fault",
          {{"status", 401},
           {"body", {{"error", {{"code", "Unauthorized"}, {"message", message}}}}},
           {"headers", {{"WWW-Authenticate", challenge + more}}}}}});
  }

  int Refused(SecretClient const& client) const {
    try {
      client.GetSecret("boundsecret");
    } catch (Azure::Core::RequestFailedException const& error) {
      return static_cast<int>(error.StatusCode);
    }
    return 0;
  }
};

/// Key Vault's own policy answers every challenge with another token and another request.
TEST_F(AzureChallenges, RetryAFailedBindingCheckWithinOneLimit) {
  auto const client = MakeSecretClient(MakeCredential());
  ArmUnauthorized(Tenant(), "", "[MtlsCnfClaimRequestDataValidationFailed] again", -1);
  EXPECT_EQ(Refused(client), 401);
  EXPECT_EQ(emulator_.Count("/secrets/boundsecret"), 1 + SecretClientOptions{}.Retry.MaxRetries);
  EXPECT_EQ(Statistics().at("tokens_issued"), 1);
  EXPECT_EQ(Statistics().at("credentials_issued"), 1);
}

TEST_F(AzureChallenges, AreAnsweredWithTheClaimsOnce) {
  auto const client = MakeSecretClient(MakeCredential());
  ArmUnauthorized(Tenant(), R"(, error="insufficient_claims", claims="eyJhIjoxfQ==")", "claims", -1);
  EXPECT_EQ(Refused(client), 401);
  EXPECT_EQ(emulator_.Count("/secrets/boundsecret"), 2);
  EXPECT_EQ(Statistics().at("tokens_issued"), 2);
}

TEST_F(AzureChallenges, LeadKeyVaultClientsToAnotherTenantWhereThatIsAllowed) {
  auto options = CredentialOptions();
  options.ManagedIdentity.AdditionallyAllowedTenants = {"another-tenant"};
  auto const client = MakeSecretClient(std::make_shared<azure::BoundTokenCredential>(options));
  ArmUnauthorized("another-tenant", "", "wrong issuer", 1);
  // The emulator's token service knows no such tenant; that it was asked is what counts.
  EXPECT_THROW(client.GetSecret("boundsecret"), AuthenticationException);
  auto const paths = TokenPaths();
  ASSERT_GE(paths.size(), 2U);
  EXPECT_THAT(paths.front(), HasSubstr(Tenant()));
  EXPECT_THAT(paths.back(), HasSubstr("/another-tenant/"));
}

TEST_F(AzureChallenges, DoNotChooseTheTenant) {
  auto const client = MakeSecretClient(MakeCredential());
  ArmUnauthorized("another-tenant", "", "wrong issuer", 1);
  EXPECT_THROW(client.GetSecret("boundsecret"), AuthenticationException);
  EXPECT_THAT(TokenPaths(), testing::ElementsAre(HasSubstr(Tenant())));
}

}  // namespace
}  // namespace mtlspop::test
