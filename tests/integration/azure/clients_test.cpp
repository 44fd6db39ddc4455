#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "azure/azure_fixture.hpp"
#include "credential/rotating_credential.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

TEST_F(AzureAgainstEmulator, WritesAndReadsASecret) {
  auto const client = MakeSecretClient(MakeCredential());
  client.SetSecret("fresh", "a new value");
  EXPECT_EQ(client.GetSecret("fresh").Value.Value.Value(), "a new value");
  EXPECT_EQ(Statistics().at("mismatches"), 0);
  EXPECT_EQ(Statistics().at("credentials_issued"), 1);
}

TEST_F(AzureAgainstEmulator, ListsSecrets) {
  auto const client = MakeSecretClient(MakeCredential());
  client.SetSecret("listed", "v");
  std::set<std::string> names;
  for (auto const& item : client.GetPropertiesOfSecrets().Items) names.insert(item.Name);
  EXPECT_THAT(names, testing::IsSupersetOf({"boundsecret", "listed"}));
}

TEST_F(AzureAgainstEmulator, DeletesRecoversAndPurgesASecret) {
  auto const client = MakeSecretClient(MakeCredential());
  client.SetSecret("brief", "v");
  auto deletion = client.StartDeleteSecret("brief");
  EXPECT_EQ(deletion.PollUntilDone(1ms).Value.Name, "brief");
  EXPECT_THROW(client.GetSecret("brief"), Azure::Core::RequestFailedException);
  auto recovery = client.StartRecoverDeletedSecret("brief");
  EXPECT_EQ(recovery.PollUntilDone(1ms).Value.Name, "brief");
  EXPECT_EQ(client.GetSecret("brief").Value.Value.Value(), "v");
  client.StartDeleteSecret("brief").PollUntilDone(1ms);
  client.PurgeDeletedSecret("brief");
  EXPECT_THROW(client.GetDeletedSecret("brief"), Azure::Core::RequestFailedException);
}

TEST_F(AzureAgainstEmulator, ServesManyThreadsWithOneBindingAndOneToken) {
  auto const client = MakeSecretClient(MakeCredential());
  std::vector<std::thread> threads;
  std::atomic<int> served{0};
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 13; ++i) served += client.GetSecret("boundsecret").Value.Value.HasValue() ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(served, 208);
  EXPECT_EQ(Statistics().at("credentials_issued"), 1);
  EXPECT_EQ(Statistics().at("tokens_issued"), 1);
  EXPECT_EQ(Statistics().at("mismatches"), 0);
}

TEST_F(AzureAgainstEmulator, KeepsTwoIdentitiesApart) {
  auto const user = emulator_.Startup().at("identities").at(1).at("client_id").get<std::string>();
  auto const first = MakeSecretClient(MakeCredential());
  auto const second = MakeSecretClient(MakeCredential(ManagedIdentityId::FromClientId(user)));
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) (t % 2 == 0 ? first : second).GetSecret("boundsecret");
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(Statistics().at("mismatches"), 0);
  EXPECT_EQ(Statistics().at("credentials_issued"), 2);
}

TEST_F(AzureAgainstEmulator, RetriesAFailedBindingCheck) {
  auto const client = MakeSecretClient(MakeCredential());
  client.GetSecret("boundsecret");
  emulator_.ArmFault(
      {{"path", "/secrets/boundsecret"},
       {"service", "vault"},
       {"count", 2},
       {"fault",
        {{"status", 401},
         {"body",
          {{"error", {{"code", "Unauthorized"}, {"message", "[MtlsCnfClaimRequestDataValidationFailed] again"}}}}}}}});
  EXPECT_TRUE(client.GetSecret("boundsecret").Value.Value.HasValue());
  EXPECT_EQ(Statistics().at("credentials_issued"), 1);
}

TEST_F(AzureAgainstEmulator, AnswersAClaimsChallenge) {
  auto const client = MakeSecretClient(MakeCredential());
  client.GetSecret("boundsecret");
  emulator_.Control("claims-challenge", json::object());
  EXPECT_TRUE(client.GetSecret("boundsecret").Value.Value.HasValue());
  EXPECT_TRUE(client.GetSecret("boundsecret").Value.Value.HasValue());
  EXPECT_EQ(Statistics().at("credentials_issued"), 1);
}

TEST_F(AzureAgainstEmulator, ReplacesABindingThatTheHandshakeRefuses) {
  auto const client = MakeSecretClient(MakeCredential());
  emulator_.ArmFault({{"service", "vault"}, {"fault", {{"reject_handshake", true}}}});
  EXPECT_TRUE(client.GetSecret("boundsecret").Value.Value.HasValue());
  EXPECT_EQ(Statistics().at("credentials_issued"), 2);
}

TEST_F(AzureAgainstEmulator, SendsAHeldTokenWithItsOwnCertificateAfterARotation) {
  azure::BoundTokenCredentialOptions options;
  options.Credential = std::make_shared<RotatingCredential>(
      std::make_shared<ManagedIdentityCredential>(emulator_.CredentialOptions()), emulator_.Transport(), 3);
  options.Transport = emulator_.Transport();
  auto const credential = std::make_shared<azure::BoundTokenCredential>(options);
  // Each client holds a token of its own: three the old one, one the new one.
  std::vector<SecretClient> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(MakeSecretClient(credential));
  for (int round = 0; round < 2; ++round) {
    for (auto const& client : clients) EXPECT_TRUE(client.GetSecret("boundsecret").Value.Value.HasValue());
  }
  std::set<std::string> keys;
  int requests = 0;
  for (auto const& entry : emulator_.Log("vault")) {
    if (entry.at("status") != 200) continue;
    ++requests;
    EXPECT_EQ(entry.at("x5t_s256"), entry.at("token_x5t_s256")) << entry;
    keys.insert(entry.at("x5t_s256").get<std::string>());
  }
  EXPECT_EQ(requests, 8);
  EXPECT_EQ(keys.size(), 2U);
  EXPECT_EQ(Statistics().at("credentials_issued"), 2);
  EXPECT_EQ(Statistics().at("mismatches"), 0);
}

TEST_F(AzureAgainstEmulator, FinishesAHeldRequestWhoseBindingIsDropped) {
  auto const credential = MakeCredential();
  auto const client = MakeSecretClient(credential);
  client.GetSecret("boundsecret");
  auto const before = emulator_.Log("vault").back().at("x5t_s256").get<std::string>();
  emulator_.ArmFault({{"path", "/secrets/boundsecret"}, {"service", "vault"}, {"fault", {{"hold", true}}}});
  std::thread held{[&] { EXPECT_TRUE(client.GetSecret("boundsecret").Value.Value.HasValue()); }};
  emulator_.Get("held?at_least=1&timeout_ms=10000");
  emulator_.Transport()->DropConnections(before);
  EXPECT_TRUE(client.GetSecret("boundsecret").Value.Value.HasValue());
  emulator_.Control("release", json::object());
  held.join();
  EXPECT_EQ(Statistics().at("mismatches"), 0);
  EXPECT_EQ(emulator_.Log("vault").back().at("x5t_s256").get<std::string>(), before);
}

/// Wire contract, section 5: bearer only where the caller chose "preferred".
TEST_F(AzureAgainstEmulator, FallsBackToBearerWhereTheResourceTakesNoOther) {
  auto options = CredentialOptions();
  options.ManagedIdentity.Binding = TokenBinding::Preferred;
  auto const client = MakeSecretClient(std::make_shared<azure::BoundTokenCredential>(options));
  EXPECT_TRUE(client.GetSecret("boundsecret").Value.Value.HasValue());
  EXPECT_EQ(emulator_.Log("vault").back().at("token_type"), "mtls_pop");
  emulator_.ArmFault(
      {{"path", "/secrets/boundsecret"},
       {"service", "vault"},
       {"fault", {{"status", 401}, {"body", {{"error", {{"code", "MtlsClientPopTokenNotSupportedByResource"}}}}}}}});
  EXPECT_TRUE(client.GetSecret("boundsecret").Value.Value.HasValue());
  EXPECT_EQ(emulator_.Log("vault").back().at("token_type"), "Bearer");
}

TEST_F(AzureAgainstEmulator, ReportsARefusalAsAzureDoes) {
  auto const none = emulator_.Startup().at("identities").back().at("client_id").get<std::string>();
  auto const client = MakeSecretClient(MakeCredential(ManagedIdentityId::FromClientId(none)));
  try {
    client.GetSecret("boundsecret");
    FAIL();
  } catch (Azure::Core::RequestFailedException const& error) {
    EXPECT_EQ(error.StatusCode, Azure::Core::Http::HttpStatusCode::Forbidden);
  }
}

TEST_F(AzureAgainstEmulator, KeepsADeadlineWhileTheServerHoldsTheAnswer) {
  auto const client = MakeSecretClient(MakeCredential());
  client.GetSecret("boundsecret");
  emulator_.ArmFault({{"path", "/secrets/boundsecret"}, {"service", "vault"}, {"fault", {{"hold", true}}}});
  Azure::Core::Context const context{std::chrono::system_clock::now() + 200ms};
  EXPECT_THROW(client.GetSecret("boundsecret", {}, context), Azure::Core::OperationCancelledException);
  emulator_.Control("release", json::object());
}

class AttackAzureStandstill : public AzureAgainstEmulator {};

TEST_F(AttackAzureStandstill, EndsACallWithoutADeadline) {
  auto options = CredentialOptions();
  options.Limits.NetworkTimeout = 200ms;
  auto const credential = std::make_shared<azure::BoundTokenCredential>(options);
  SecretClientOptions clientOptions;
  clientOptions.Retry.MaxRetries = 0;
  azure::UseTokenBinding(clientOptions, credential);
  SecretClient const client{VaultUrl(), credential, clientOptions};
  emulator_.ArmFault({{"path", "/secrets/boundsecret"}, {"service", "vault"}, {"fault", {{"hold", true}}}});
  try {
    client.GetSecret("boundsecret");
    FAIL();
  } catch (Azure::Core::Http::TransportException const& error) {
    EXPECT_EQ(error.ErrorCode, "deadline_exceeded");
  }
  emulator_.Control("release", json::object());
}

TEST_F(AzureAgainstEmulator, IsCancelledFromAnotherThread) {
  auto const client = MakeSecretClient(MakeCredential());
  client.GetSecret("boundsecret");
  emulator_.ArmFault({{"path", "/secrets/boundsecret"}, {"service", "vault"}, {"fault", {{"hold", true}}}});
  Azure::Core::Context context;
  std::thread other{[&] {
    emulator_.Get("held?at_least=1&timeout_ms=10000");
    context.Cancel();
  }};
  EXPECT_THROW(client.GetSecret("boundsecret", {}, context), Azure::Core::OperationCancelledException);
  other.join();
  emulator_.Control("release", json::object());
}

}  // namespace
}  // namespace mtlspop::test
