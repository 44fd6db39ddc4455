#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "azure/azure_fixture.hpp"
#include "support/manual_clock.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;

/// Tokens that live less than Azure's policies want of any (two minutes): they ask for another one with each call.
class AzureFreshness : public AzureAgainstEmulator {
 protected:
  AzureFreshness() : AzureAgainstEmulator({"--token-lifetime", "60s"}) {}

  SecretClient MakeClient() const {
    auto options = CredentialOptions();
    options.ManagedIdentity.Time = clock_;
    return MakeSecretClient(std::make_shared<azure::BoundTokenCredential>(options));
  }

  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
};

TEST_F(AzureFreshness, IsTheCredentialsToJudge) {
  auto const client = MakeClient();
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(client.GetSecret("boundsecret").Value.Value.HasValue());
  EXPECT_EQ(Statistics().at("tokens_issued"), 1);
  EXPECT_EQ(emulator_.Count("/secrets/boundsecret"), 50);
}

TEST_F(AzureFreshness, IsNotAskedForWhileTheTokenServiceIsDownAndTheTokenLives) {
  auto const client = MakeClient();
  client.GetSecret("boundsecret");
  emulator_.ArmFault({{"service", "sts"}, {"count", -1}, {"fault", {{"status", 503}}}});
  clock_->Advance(55s);
  EXPECT_TRUE(client.GetSecret("boundsecret").Value.Value.HasValue());
  EXPECT_EQ(Statistics().at("tokens_issued"), 1);
  clock_->Advance(10s);
  EXPECT_THROW(client.GetSecret("boundsecret"), Azure::Core::Credentials::AuthenticationException);
}

}  // namespace
}  // namespace mtlspop::test
