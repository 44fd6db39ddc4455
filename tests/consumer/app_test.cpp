// An application's own tests against the installed emulator.
#include <mtlspop/emulator/fixture.hpp>

#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/policies/client.hpp"

namespace {

using AppTest = mtlspop::emulator::Fixture;

std::string ReadSecret() {
  mtlspop::Client const client{std::make_shared<mtlspop::ManagedIdentityCredential>()};
  return client.Get("https://myvault.vault.azure.net/secrets/password?api-version=7.4").Text;
}

TEST_F(AppTest, ReadsItsSecret) { EXPECT_NE(ReadSecret().find(mtlspop::emulator::SecretValue()), std::string::npos); }

TEST_F(AppTest, SurvivesABusyVault) {
  TheEmulator().ArmFault(R"({"service":"vault","fault":{"status":503,"headers":{"Retry-After":"0"}}})");
  EXPECT_NE(ReadSecret().find(mtlspop::emulator::SecretValue()), std::string::npos);
  EXPECT_NE(TheEmulator().Log("vault").find("\"status\":503"), std::string::npos);
}

}  // namespace
