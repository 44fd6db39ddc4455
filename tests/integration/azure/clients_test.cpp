#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <azure/core/http/curl_transport.hpp>
#include <azure/identity/chained_token_credential.hpp>
#include <azure/keyvault/keys.hpp>
#include <azure/storage/queues.hpp>

#include <set>
#include <thread>

#include "azure/azure_fixture.hpp"
#include "credential/rotating_credential.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;
using Azure::Core::Credentials::AuthenticationException;
using Azure::Security::KeyVault::Keys::CreateRsaKeyOptions;
using Azure::Security::KeyVault::Keys::KeyClient;
using Azure::Security::KeyVault::Keys::KeyClientOptions;
using nlohmann::json;

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

// A page has 25 at most: each nextLink is a request of its own, with the same pair of token and certificate.
TEST_F(AzureAgainstEmulator, ListsKeysPageByPageAndDeletesOne) {
  auto const credential = MakeCredential();
  KeyClient const client{VaultUrl(), credential, Bound<KeyClientOptions>(credential)};
  std::set<std::string> made;
  for (int i = 0; i < 26; ++i)
    made.insert(client.CreateRsaKey(CreateRsaKeyOptions{"k" + std::to_string(i)}).Value.Name());
  std::set<std::string> names;
  int pages = 0;
  for (auto page = client.GetPropertiesOfKeys(); page.HasPage(); page.MoveToNextPage()) {
    ++pages;
    for (auto const& item : page.Items) names.insert(item.Name);
  }
  EXPECT_EQ(pages, 2);
  EXPECT_EQ(names, made);
  EXPECT_EQ(client.StartDeleteKey("k0").PollUntilDone(1ms).Value.Name(), "k0");
  EXPECT_THROW(client.GetKey("k0"), Azure::Core::RequestFailedException);
  EXPECT_EQ(Statistics().at("mismatches"), 0);
}

TEST_F(AzureAgainstEmulator, PeeksAtAQueue) {
  auto const credential = MakeCredential();
  auto const host = BlobUrl();
  // What the queue service would answer stands in the emulator's blob of that path.
  TokenRequest storage;
  storage.Scopes = {StorageScope};
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

/// Bearer tokens, as any credential of Azure's.
class PlainCredential final : public Azure::Core::Credentials::TokenCredential {
 public:
  explicit PlainCredential(ManagedIdentityCredentialOptions options)
      : TokenCredential("PlainCredential"), inner_(WithoutBinding(std::move(options))) {}

  Azure::Core::Credentials::AccessToken GetToken(
      Azure::Core::Credentials::TokenRequestContext const& wanted, Azure::Core::Context const&) const override {
    TokenRequest request;
    request.Scopes = wanted.Scopes;
    auto const token = inner_.GetToken(request, {});
    return {std::string{token.Token.Reveal()}, Azure::DateTime{token.ExpiresOn}};
  }

 private:
  static ManagedIdentityCredentialOptions WithoutBinding(ManagedIdentityCredentialOptions options) {
    options.Binding = TokenBinding::None;
    return options;
  }
  mutable ManagedIdentityCredential inner_;
};

TEST_F(AzureAgainstEmulator, LeavesAClientWithoutTokenBindingAlone) {
  auto const bound = MakeSecretClient(MakeCredential());
  Azure::Core::Http::CurlTransportOptions curl;
  curl.CAInfo = emulator_.Startup().at("ca_file").get<std::string>();
  Azure::Core::_internal::ClientOptions options;
  options.Transport.Transport = std::make_shared<Azure::Core::Http::CurlTransport>(curl);
  auto const plain =
      MakePipeline(std::make_shared<PlainCredential>(emulator_.CredentialOptions()), VaultScope, options);
  auto const url = emulator_.Startup().at("vault").get<std::string>() + "/secrets/boundsecret?api-version=7.4";
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(bound.GetSecret("boundsecret").Value.Value.HasValue());
    EXPECT_EQ(GetStatus(plain, url), 200);
  }
  int withBearer = 0;
  for (auto const& entry : emulator_.Log("vault")) {
    auto const isBearer = entry.at("token_type") == "Bearer";
    withBearer += isBearer ? 1 : 0;
    EXPECT_EQ(entry.at("x5t_s256").is_null(), isBearer) << entry;
    EXPECT_EQ(entry.at("status"), 200) << entry;
  }
  EXPECT_EQ(withBearer, 5);
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
