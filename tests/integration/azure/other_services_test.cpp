// Clients of other services than Key Vault's secrets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <azure/keyvault/keys.hpp>
#include <azure/storage/queues.hpp>

#include <set>

#include "azure/azure_fixture.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;
using Azure::Security::KeyVault::Keys::CreateRsaKeyOptions;
using Azure::Security::KeyVault::Keys::KeyClient;
using Azure::Security::KeyVault::Keys::KeyClientOptions;

TEST_F(AzureAgainstEmulator, MakesAndReadsAKey) {
  auto const credential = MakeCredential();
  KeyClient const client{VaultUrl(), credential, Bound<KeyClientOptions>(credential)};
  client.CreateRsaKey(CreateRsaKeyOptions{"fresh"});
  EXPECT_EQ(client.GetKey("fresh").Value.Name(), "fresh");
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

/// The second client's discovery has no reason to go past the credential's cache.
TEST_F(AzureAgainstEmulator, TellsStorageClientsTheTenantWithoutGoingPastTheCache) {
  auto const credential = MakeCredential();
  for (int i = 0; i < 2; ++i) {
    auto options = Bound<Azure::Storage::Queues::QueueClientOptions>(credential);
    options.EnableTenantDiscovery = true;
    Azure::Storage::Queues::QueueClient const client{BlobUrl() + "/queue", credential, options};
    // There is no such queue, as the service says only to those it knows.
    EXPECT_THROW(client.PeekMessages(), Azure::Storage::StorageException);
  }
  std::vector<int> statuses;
  for (auto const& entry : emulator_.Log("blob")) statuses.push_back(entry.at("status"));
  EXPECT_THAT(statuses, testing::ElementsAre(401, 404, 401, 404));
  EXPECT_THAT(TokenPaths(), testing::ElementsAre(testing::HasSubstr(Tenant())));
  EXPECT_EQ(Statistics().at("tokens_issued"), 1);
}

}  // namespace
}  // namespace mtlspop::test
