// On a real virtual machine, with a real managed identity and a real Key Vault. Opt-in, since it needs all three:
//   MTLSPOP_E2E=1                 run; without it the tests are skipped
//   MTLSPOP_E2E_VAULT             for example https://myvault.vault.azure.net
//   MTLSPOP_E2E_SECRET            the name of a secret that the identity may read
//   MTLSPOP_E2E_CLIENT_ID         of a user-assigned identity; system-assigned where it is not set
//   MTLSPOP_E2E_ATTEST=1          attest the key; needs AttestationClientLib.dll
//   MTLSPOP_E2E_REQUIRED=1        to skip is to fail
// docs/windows.md says what the machine has to be like.

#include <chrono>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/credential/verify_binding.hpp"
#include "mtlspop/credential/windows.hpp"
#include "mtlspop/transport/environment.hpp"

namespace mtlspop::windows_tests {
namespace {

std::string Variable(char const* name) {
  char const* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

class EndToEndTest : public testing::Test {
 protected:
  void SetUp() override {
    if (Variable("MTLSPOP_E2E") == "1") {
      ASSERT_FALSE(Variable("MTLSPOP_E2E_VAULT").empty());
      ASSERT_FALSE(Variable("MTLSPOP_E2E_SECRET").empty());
      return;
    }
    if (Variable("MTLSPOP_E2E_REQUIRED") == "1") {
      FAIL() << "MTLSPOP_E2E_REQUIRED=1, and MTLSPOP_E2E is not 1";
    }
    GTEST_SKIP() << "needs a virtual machine with a managed identity and a vault: set MTLSPOP_E2E=1";
  }

  static ManagedIdentityCredentialOptions Options() {
    ManagedIdentityCredentialOptions options;
    if (auto const clientId = Variable("MTLSPOP_E2E_CLIENT_ID"); !clientId.empty()) {
      options.Identity = ManagedIdentityId::FromClientId(clientId);
    }
    options.MinimumStrength = KeyStrength::KeyGuard;
    options.Attest = Variable("MTLSPOP_E2E_ATTEST") == "1";
    options.Store = windows::MakeCertificateStoreBindingStore().get();
    return options;
  }

  static Context InTime() { return Context{}.WithTimeout(std::chrono::minutes{2}); }

  static AccessToken GetToken() {
    ManagedIdentityCredential credential{Options()};
    TokenRequest request;
    request.Scopes = {"https://vault.azure.net/.default"};
    return credential.GetToken(request, InTime());
  }

  static int ReadSecret(AccessToken const& token, std::shared_ptr<BindingCertificate const> const& binding) {
    Request request{
        "GET", Url::Parse(
                   Variable("MTLSPOP_E2E_VAULT") + "/secrets/" + PercentEncode(Variable("MTLSPOP_E2E_SECRET")) +
                   "?api-version=7.4")};
    request.Fields.Set(
        "Authorization", binding ? token.AuthorizationHeader() : "Bearer " + std::string{token.Token.Reveal()});
    if (binding) request.Fields.Set("x-ms-tokenboundauth", "true");
    return DefaultHttpTransport()->Send(request, binding, InTime())->StatusCode;
  }
};

TEST_F(EndToEndTest, KeyGuardIsThere) {
  EXPECT_EQ(windows::MakeKeyGuardKeyProvider()->HighestStrength(), KeyStrength::KeyGuard);
  auto const capabilities = GetManagedIdentityCapabilities(Options(), InTime());
  EXPECT_EQ(capabilities.BindingSupported, BindingSupport::Yes) << capabilities.WhyNot;
}

TEST_F(EndToEndTest, ABoundTokenReadsASecret) {
  auto const token = GetToken();
  EXPECT_EQ(token.Type, TokenType::MtlsPop);
  EXPECT_EQ(token.Strength(), KeyStrength::KeyGuard);
  EXPECT_NO_THROW(VerifyBinding(token.Token, *token.Binding));
  EXPECT_EQ(ReadSecret(token, token.Binding), 200);
}

TEST_F(EndToEndTest, TheTokenIsOfNoUseWithoutItsCertificate) { EXPECT_EQ(ReadSecret(GetToken(), nullptr), 401); }

TEST_F(EndToEndTest, TheBindingIsFoundAgainInTheStore) {
  auto const first = GetToken();
  EXPECT_EQ(GetToken().Binding->X5tS256(), first.Binding->X5tS256());
}

}  // namespace
}  // namespace mtlspop::windows_tests
