#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <azure/identity/chained_token_credential.hpp>
#include <azure/keyvault/keys.hpp>
#include <azure/keyvault/secrets.hpp>
#include <azure/storage/queues.hpp>

#include <set>
#include <thread>

#include "credential/emulator.hpp"
#include "mtlspop/azure/token_binding.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;
using Azure::Core::Credentials::AuthenticationException;
using Azure::Security::KeyVault::Keys::CreateRsaKeyOptions;
using Azure::Security::KeyVault::Keys::KeyClient;
using Azure::Security::KeyVault::Keys::KeyClientOptions;
using Azure::Security::KeyVault::Secrets::SecretClient;
using Azure::Security::KeyVault::Secrets::SecretClientOptions;
using nlohmann::json;

class AzureAgainstEmulator : public testing::Test {
 protected:
  std::string VaultUrl() const { return "https://" + emulator_.Startup().at("vault_host").get<std::string>(); }

  std::shared_ptr<azure::BoundTokenCredential> MakeCredential(ManagedIdentityId identity = {}) const {
    azure::BoundTokenCredentialOptions options;
    options.ManagedIdentity = emulator_.CredentialOptions();
    options.ManagedIdentity.Identity = std::move(identity);
    options.Transport = emulator_.Transport();
    return std::make_shared<azure::BoundTokenCredential>(options);
  }

  template <typename Options>
  static Options Bound(std::shared_ptr<azure::BoundTokenCredential> const& credential) {
    Options options;
    options.Retry.RetryDelay = 1ms;
    azure::UseTokenBinding(options, credential);
    return options;
  }

  SecretClient MakeSecretClient(std::shared_ptr<azure::BoundTokenCredential> const& credential) const {
    return SecretClient{VaultUrl(), credential, Bound<SecretClientOptions>(credential)};
  }

  json Statistics() const { return emulator_.Get("statistics"); }

  Emulator emulator_;
};

TEST_F(AzureAgainstEmulator, WritesAndReadsASecret) {
  auto const client = MakeSecretClient(MakeCredential());
  client.SetSecret("fresh", "a new value");
  EXPECT_EQ(client.GetSecret("fresh").Value.Value.Value(), "a new value");
  EXPECT_EQ(Statistics().at("mismatches"), 0);
  EXPECT_EQ(Statistics().at("credentials_issued"), 1);
}

TEST_F(AzureAgainstEmulator, MakesAndReadsAKey) {
  auto const credential = MakeCredential();
  KeyClient const client{VaultUrl(), credential, Bound<KeyClientOptions>(credential)};
  client.CreateRsaKey(CreateRsaKeyOptions{"fresh"});
  EXPECT_EQ(client.GetKey("fresh").Value.Name(), "fresh");
}

TEST_F(AzureAgainstEmulator, PeeksAtAQueue) {
  auto const credential = MakeCredential();
  auto const host = "https://" + emulator_.Startup().at("blob_host").get<std::string>();
  // What the queue service would answer stands in the emulator's blob of that path.
  TokenRequest storage;
  storage.Scopes = {"https://storage.azure.com/.default"};
  auto options = emulator_.CredentialOptions();
  auto const token = ManagedIdentityCredential{options}.GetToken(storage, {});
  Request put{"PUT", Url::Parse(host + "/queue/messages")};
  put.Fields.Set("Authorization", token.AuthorizationHeader());
  put.Fields.Set("x-ms-tokenboundauth", "true");
  put.SetBody(
      "<?xml version=\"1.0\" encoding=\"utf-8\"?><QueueMessagesList><QueueMessage><MessageId>1</MessageId>"
      "<InsertionTime>Fri, 09 Oct 2026 21:04:30 GMT</InsertionTime><ExpirationTime>Fri, 16 Oct 2026 21:04:30 GMT"
      "</ExpirationTime><DequeueCount>0</DequeueCount><MessageText>hello</MessageText></QueueMessage></"
      "QueueMessagesList>");
  ASSERT_EQ(emulator_.Transport()->Send(put, token.Binding, {})->StatusCode, 201);

  Azure::Storage::Queues::QueueClient const client{
      host + "/queue", credential, Bound<Azure::Storage::Queues::QueueClientOptions>(credential)};
  EXPECT_EQ(client.PeekMessages().Value.Messages.at(0).MessageText, "hello");
  EXPECT_EQ(Statistics().at("mismatches"), 0);
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
  auto const credential = MakeCredential();
  auto const client = MakeSecretClient(credential);
  client.GetSecret("boundsecret");
  // The client's pipeline holds its token; meanwhile the credential moves on to another certificate.
  auto const before = emulator_.Log("vault").back().at("key_id").get<std::string>();
  emulator_.ArmFault({{"path", "/secrets/boundsecret"}, {"service", "vault"}, {"fault", {{"hold", true}}}});
  std::thread held{[&] { EXPECT_TRUE(client.GetSecret("boundsecret").Value.Value.HasValue()); }};
  emulator_.Get("held?at_least=1&timeout_ms=10000");
  emulator_.Transport()->RetireBinding(before);
  EXPECT_TRUE(client.GetSecret("boundsecret").Value.Value.HasValue());
  emulator_.Control("release", json::object());
  held.join();
  EXPECT_EQ(Statistics().at("mismatches"), 0);
  EXPECT_EQ(emulator_.Log("vault").back().at("key_id").get<std::string>(), before);
}

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
