#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emulator.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/verify_binding.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop::test {
namespace {

/// Sections 2, 3, 5 and 7 of the contract, one after the other.
TEST(ManagedIdentityAgainstEmulator, GetsABoundTokenThatTheVaultTakes) {
  Emulator const emulator;
  ManagedIdentityCredential credential{emulator.CredentialOptions()};

  auto const token = credential.GetToken(VaultRequest(), {});

  EXPECT_EQ(token.Type, TokenType::MtlsPop);
  EXPECT_EQ(token.Source, TokenSource::Service);
  EXPECT_EQ(token.Strength(), KeyStrength::Software);
  EXPECT_NO_THROW(VerifyBinding(token.Token, *token.Binding));
  EXPECT_EQ(emulator.ReadSecret(token), 200);
}

/// Section 8: the thief has the token and not the key.
TEST(ManagedIdentityAgainstEmulator, TokenIsOfNoUseWithoutItsCertificate) {
  Emulator const emulator;
  ManagedIdentityCredential credential{emulator.CredentialOptions()};
  auto token = credential.GetToken(VaultRequest(), {});

  token.Binding = nullptr;

  EXPECT_EQ(emulator.ReadSecret(token), 401);
}

/// Section 2: the identity selectors.
TEST(ManagedIdentityAgainstEmulator, UserAssignedIdentitiesAreSelectedByEachOfTheirNames) {
  Emulator const emulator;
  auto const& identity = emulator.Startup().at("identities").at(1);
  for (auto const& id :
       {ManagedIdentityId::FromClientId(identity.at("client_id")),
        ManagedIdentityId::FromObjectId(identity.at("object_id")),
        ManagedIdentityId::FromResourceId(identity.at("msi_res_id"))}) {
    auto options = emulator.CredentialOptions();
    options.Identity = id;
    ManagedIdentityCredential credential{options};
    auto const token = credential.GetToken(VaultRequest(), {});
    EXPECT_NE(token.Binding->Subject().find(identity.at("client_id").get<std::string>()), std::string::npos)
        << id.ToString() << " " << token.Binding->Subject();
    EXPECT_EQ(emulator.ReadSecret(token), 200);
  }
}

/// Section 8: one mint and one token request in flight per key, however many callers wait.
TEST(ManagedIdentityAgainstEmulator, ManyFirstCallsAtOnceCauseOneOfEachRequest) {
  Emulator const emulator;
  ManagedIdentityCredential credential{emulator.CredentialOptions()};
  std::vector<std::thread> threads;
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([&] { EXPECT_EQ(credential.GetToken(VaultRequest(), {}).Type, TokenType::MtlsPop); });
  }
  for (auto& thread : threads) thread.join();

  // The probe and the request.
  EXPECT_EQ(emulator.Count("getplatformmetadata"), 2);
  EXPECT_EQ(emulator.Count("issuecredential"), 1);
  EXPECT_EQ(emulator.Count("oauth2/v2.0/token"), 1);
}

}  // namespace
}  // namespace mtlspop::test
