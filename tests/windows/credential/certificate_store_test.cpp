// Bindings in CurrentUser\My: a store full of orphans, a mutex whose owner died, keys that are gone.

#include <algorithm>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto.hpp"
#include "mock_keys.hpp"
#include "mtlspop/credential/errors.hpp"
#include "test_certificates.hpp"
#include "windows/certificate_store.hpp"
#include "windows/cng_key.hpp"
#include "windows/friendly_name.hpp"

namespace mtlspop::windows_tests {
namespace {

using testing::_;
using testing::NiceMock;
using testing::Return;

/// CurrentUser\My in memory.
class MockStore : public windows::StoreFunctions {
 public:
  MockStore() {
    ON_CALL(*this, OpenNamedMutex).WillByDefault(Return(reinterpret_cast<HANDLE>(1)));
    ON_CALL(*this, Wait).WillByDefault(Return(WAIT_OBJECT_0));
    ON_CALL(*this, Read).WillByDefault([this] { return Entries; });
    ON_CALL(*this, Add).WillByDefault([this](windows::StoreEntry const& entry) { Entries.push_back(entry); });
    ON_CALL(*this, Remove).WillByDefault([this](gsl::span<std::uint8_t const> der) {
      auto const found = std::find_if(Entries.begin(), Entries.end(), [&](auto const& entry) {
        return std::equal(entry.Der.begin(), entry.Der.end(), der.begin(), der.end());
      });
      bool const isThere = found != Entries.end();
      if (isThere) {
        Entries.erase(found);
      }
      return isThere;
    });
  }

  MOCK_METHOD(std::vector<windows::StoreEntry>, Read, (), (override));
  MOCK_METHOD(void, Add, (windows::StoreEntry const& entry), (override));
  MOCK_METHOD(bool, Remove, (gsl::span<std::uint8_t const> der), (override));
  MOCK_METHOD(HANDLE, OpenNamedMutex, (wchar_t const* name), (override));
  MOCK_METHOD(DWORD, Wait, (HANDLE mutex, DWORD milliseconds), (override));
  MOCK_METHOD(void, ReleaseMutex, (HANDLE mutex), (override));
  MOCK_METHOD(void, CloseHandle, (HANDLE handle), (override));

  std::vector<windows::StoreEntry> Entries;
};

class CertificateStoreTest : public testing::Test {
 protected:
  ~CertificateStoreTest() override {
    store_.reset();
    EXPECT_EQ(keys_->OpenHandles(), 0U) << "handles are left behind";
    EXPECT_EQ(keys_->FreedTwice, 0);
  }

  BindingStore& Store() {
    if (!store_) {
      store_ = windows::MakeCertificateStoreBindingStore(entries_, keys_, {}).get();
    }
    return *store_;
  }

  /// Puts a certificate into the store, issued so many hours ago, whose key is there.
  windows::StoreEntry AddEntry(std::string const& name, int hoursAgo, std::wstring const& keyName) {
    KeyRequest request;
    request.Name = std::string{keyName.begin(), keyName.end()};
    auto const provider = windows::MakeKeyGuardKeyProvider(keys_, [](auto const&) {}, {});
    auto const key = provider->GetOrCreateKey(request, {});
    windows::StoreEntry entry;
    entry.Der = MakeCertificateFor(key->SubjectPublicKeyInfo(), {L"CN=" + keyName + std::to_wstring(hoursAgo)});
    entry.FriendlyName = *windows::Format(
        {windows::BindingTag(name), "client", "tenant", "https://sts.example", "", true,
         std::chrono::system_clock::now() - std::chrono::hours{hoursAgo}});
    entry.Key = {MS_KEY_STORAGE_PROVIDER, keyName};
    entries_->Entries.push_back(entry);
    return entry;
  }

  std::shared_ptr<NiceMock<MockKeys>> keys_ = std::make_shared<NiceMock<MockKeys>>();
  std::shared_ptr<NiceMock<MockStore>> entries_ = std::make_shared<NiceMock<MockStore>>();
  std::shared_ptr<BindingStore> store_;
};

TEST_F(CertificateStoreTest, TheNewestBindingIsTakenAndOlderOnesAreRemoved) {
  AddEntry("identity", 3, L"a");
  auto const newest = AddEntry("identity", 1, L"b");
  AddEntry("identity", 2, L"c");
  auto const other = AddEntry("another identity", 4, L"d");
  auto const binding = Store().Load("identity");
  ASSERT_TRUE(binding);
  EXPECT_EQ(binding->Certificate->Leaf(), newest.Der);
  EXPECT_EQ(binding->Certificate->Strength(), KeyStrength::KeyGuard);
  EXPECT_EQ(binding->Key->Strength(), KeyStrength::KeyGuard);
  EXPECT_EQ(binding->MtlsEndpoint, "https://sts.example");
  EXPECT_EQ(binding->ClientId, "client");
  EXPECT_EQ(binding->TenantId, "tenant");
  EXPECT_TRUE(binding->Attested);
  EXPECT_EQ(entries_->Entries.size(), 2U) << "the newest one, and the other identity's";
}

TEST_F(CertificateStoreTest, AKeyIsATpmsOnlyIfItsProviderSaysThatItIsHardware) {
  KeyRequest request;
  request.Name = "a";
  auto const key = windows::MakeTpmKeyProvider(keys_, [](auto const&) {}, {})->GetOrCreateKey(request, {});
  windows::StoreEntry entry;
  entry.Der = MakeCertificateFor(key->SubjectPublicKeyInfo());
  entry.FriendlyName = *windows::Format(
      {windows::BindingTag("identity"), "client", "tenant", "https://sts.example", "", false,
       std::chrono::system_clock::now()});
  entry.Key = {windows::PlatformProvider, L"a"};
  entries_->Entries.push_back(entry);
  EXPECT_EQ(Store().Load("identity")->Key->Strength(), KeyStrength::Hardware);
  keys_->TpmImplementation = NCRYPT_IMPL_SOFTWARE_FLAG;
  EXPECT_EQ(Store().Load("identity")->Key->Strength(), KeyStrength::Software);
}

TEST_F(CertificateStoreTest, AStoreFullOfOrphansIsCleanedUpAndHoldsNothing) {
  for (int count = 0; count < 20; ++count) {
    AddEntry("identity", count, L"key" + std::to_wstring(count));
  }
  keys_->Reboot();
  EXPECT_FALSE(Store().Load("identity"));
  EXPECT_TRUE(entries_->Entries.empty());
}

TEST_F(CertificateStoreTest, ACertificateWhoseKeyNameMeansAnotherKeyNowIsRemoved) {
  AddEntry("identity", 2, L"a");
  KeyRequest request;
  request.Name = "a";
  request.ForceNew = true;
  windows::MakeKeyGuardKeyProvider(keys_, [](auto const&) {}, {})->GetOrCreateKey(request, {});
  EXPECT_FALSE(Store().Load("identity"));
  EXPECT_TRUE(entries_->Entries.empty());
}

TEST_F(CertificateStoreTest, OtherPeoplesCertificatesAreLeftAlone) {
  auto entry = AddEntry("identity", 1, L"a");
  entries_->Entries.clear();
  for (auto const* const name : {L"", L"My certificate", L"mtlspop|1|x", L"mtlspop|2|a|b|c|d|e|attested|1"}) {
    entry.FriendlyName = name;
    entries_->Entries.push_back(entry);
  }
  EXPECT_FALSE(Store().Load("identity"));
  EXPECT_EQ(entries_->Entries.size(), 4U);
}

TEST_F(CertificateStoreTest, ARefusedBindingIsRemovedByItsKeyIdAlone) {
  auto const first = AddEntry("identity", 1, L"a");
  auto const second = AddEntry("identity", 2, L"b");
  auto const keyId = Store().Load("identity")->Certificate->KeyId();
  entries_->Entries = {first, second};
  Store().Remove("identity", keyId);
  ASSERT_EQ(entries_->Entries.size(), 1U);
  EXPECT_EQ(entries_->Entries.front().Der, second.Der);
}

TEST_F(CertificateStoreTest, ASoftwareBindingIsNotKept) {
  StoredBinding binding;
  binding.Certificate = MakeTestBinding().get();
  EXPECT_CALL(*entries_, Add).Times(0);
  Store().Save("identity", binding);
}

TEST_F(CertificateStoreTest, NobodyWaitsLongForAnotherProcess) {
  EXPECT_CALL(*entries_, Wait(_, 300)).WillOnce(Return(WAIT_TIMEOUT));
  EXPECT_CALL(*entries_, ReleaseMutex).Times(0);
  EXPECT_CALL(*entries_, CloseHandle).Times(1);
  EXPECT_EQ(Store().Acquire("identity", {}), nullptr);
}

TEST_F(CertificateStoreTest, AMutexWhoseOwnerDiedIsTakenOver) {
  EXPECT_CALL(*entries_, Wait).WillOnce(Return(WAIT_ABANDONED));
  EXPECT_CALL(*entries_, ReleaseMutex).Times(1);
  EXPECT_CALL(*entries_, CloseHandle).Times(1);
  EXPECT_NE(Store().Acquire("identity", {}), nullptr);
}

TEST_F(CertificateStoreTest, WithoutAMutexTheCallerGoesOn) {
  EXPECT_CALL(*entries_, OpenNamedMutex).WillOnce(Return(nullptr));
  EXPECT_EQ(Store().Acquire("identity", {}), nullptr);
}

TEST_F(CertificateStoreTest, TheCertificatesOfAKeyThatIsGoneArePurgedAndNoOthers) {
  auto const entry = AddEntry("identity", 1, L"a");
  auto const other = AddEntry("identity", 2, L"b");
  auto theirs = entry;
  theirs.FriendlyName = L"not ours";
  theirs.Der.back() ^= 1U;
  entries_->Entries.push_back(theirs);
  windows::PurgeFromStore(entries_, {})(crypto::ReadCertificate(entry.Der)->SubjectPublicKeyInfo);
  ASSERT_EQ(entries_->Entries.size(), 2U);
  EXPECT_EQ(entries_->Entries.front().Der, other.Der);
}

TEST_F(CertificateStoreTest, AForcedKeyTakesTheCertificatesOfAllWhoSharedTheOldOneAlong) {
  AddEntry("identity", 1, L"shared");
  AddEntry("another identity", 2, L"shared");
  auto const other = AddEntry("identity", 3, L"b");
  KeyRequest request;
  request.Name = "shared";
  request.ForceNew = true;
  windows::MakeKeyGuardKeyProvider(keys_, windows::PurgeFromStore(entries_, {}), {})->GetOrCreateKey(request, {});
  ASSERT_EQ(entries_->Entries.size(), 1U);
  EXPECT_EQ(entries_->Entries.front().Der, other.Der);
}

TEST_F(CertificateStoreTest, AStoreThatCannotBeReadFailsNoPurge) {
  EXPECT_CALL(*entries_, Read).WillOnce(testing::Throw(std::runtime_error{"no profile"}));
  EXPECT_NO_THROW(windows::PurgeFromStore(entries_, {})({}));
}

TEST(FriendlyNameTest, WhatIsWrittenIsRead) {
  windows::FriendlyName name{"tag", "client", "tenant", "https://a/b", "https://c", false, {}};
  name.IssuedOn = std::chrono::system_clock::time_point{std::chrono::seconds{1'800'000'000}};
  auto const text = windows::Format(name);
  ASSERT_TRUE(text);
  auto const read = windows::ParseFriendlyName(*text);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->TokenEndpoint, "https://c");
  EXPECT_FALSE(read->Attested);
  EXPECT_EQ(read->IssuedOn, name.IssuedOn);
  name.ClientId = "a|b";
  EXPECT_FALSE(windows::Format(name));
}

/// The real store of the user that runs the test, with an entry of the test's own.
TEST(SystemStoreTest, AnEntryIsAddedReadAndRemoved) {
  auto const store = windows::SystemStore();
  auto const certificate = MakeTestBinding({L"CN=mtlspop store test"});
  windows::StoreEntry const entry{certificate->Leaf(), L"mtlspop store test", {L"provider", L"name"}};
  store->Add(entry);
  auto const read = store->Read();
  auto const found = std::find_if(read.begin(), read.end(), [&](auto const& each) { return each.Der == entry.Der; });
  ASSERT_NE(found, read.end());
  EXPECT_EQ(found->FriendlyName, entry.FriendlyName);
  EXPECT_EQ(found->Key.Name, L"name");
  EXPECT_EQ(found->Key.Provider, L"provider");
  EXPECT_TRUE(store->Remove(entry.Der));
  EXPECT_FALSE(store->Remove(entry.Der));
}

TEST(SystemStoreTest, TheMutexKeepsOthersOutAndGoesOnWhenItIsLetGo) {
  auto const store = windows::MakeCertificateStoreBindingStore();
  auto lock = store->Acquire("identity", {});
  ASSERT_NE(lock, nullptr);
  // A thread that owns a mutex gets it again; another one does not.
  std::thread{[&] {
    EXPECT_EQ(store->Acquire("identity", {}), nullptr);
    EXPECT_NE(store->Acquire("another identity", {}), nullptr);
  }}.join();
  lock.reset();
  std::thread{[&] { EXPECT_NE(store->Acquire("identity", {}), nullptr); }}.join();
}

TEST(SystemStoreTest, AMutexWhoseThreadEndedIsTakenOver) {
  auto const functions = windows::SystemStore();
  auto* const mutex = functions->OpenNamedMutex(L"Local\\mtlspop-abandoned");
  ASSERT_NE(mutex, nullptr);
  std::thread{[&] { EXPECT_EQ(functions->Wait(mutex, 0), WAIT_OBJECT_0); }}.join();
  EXPECT_EQ(functions->Wait(mutex, 300), static_cast<DWORD>(WAIT_ABANDONED));
  functions->ReleaseMutex(mutex);
  functions->CloseHandle(mutex);
}

}  // namespace
}  // namespace mtlspop::windows_tests
