// Bindings in CurrentUser\My: a store full of orphans, a mutex whose owner died, keys that are gone.

#include <algorithm>
#include <thread>

#include <windows.h>

#include <sddl.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto.hpp"
#include "mock_keys.hpp"
#include "mtlspop/credential/errors.hpp"
#include "test_certificates.hpp"
#include "windows/certificate_store.hpp"
#include "windows/cng_key.hpp"
#include "windows/friendly_name.hpp"
#include "windows/named_mutex.hpp"

namespace mtlspop::windows_tests {
namespace {

using testing::_;
using testing::NiceMock;
using testing::Return;

/// CurrentUser\My in memory.
class MockStore : public windows::StoreFunctions {
 public:
  MockStore() {
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

  std::vector<windows::StoreEntry> Entries;
};

/// A key with a name, where CNG does not say the names of its keys, as Wine's does not.
class NamedKey final : public schannel::CertificateKey {
 public:
  NamedKey(std::shared_ptr<BindingKey const> key, std::wstring name) : key_(std::move(key)), name_(std::move(name)) {}

  void AttachTo(PCCERT_CONTEXT context) const override {
    auto name = name_;
    std::wstring provider = MS_KEY_STORAGE_PROVIDER;
    CRYPT_KEY_PROV_INFO info{};
    info.pwszContainerName = name.data();
    info.pwszProvName = provider.data();
    CertSetCertificateContextProperty(context, CERT_KEY_PROV_INFO_PROP_ID, 0, &info);
  }
  std::vector<std::uint8_t> PublicKeyBlob() const override {
    return dynamic_cast<schannel::CertificateKey const&>(*key_->Handle()).PublicKeyBlob();
  }

 private:
  std::shared_ptr<BindingKey const> key_;
  std::wstring name_;
};

class CertificateStoreTest : public testing::Test {
 protected:
  ~CertificateStoreTest() override {
    store_.reset();
    EXPECT_EQ(keys_->OpenHandles(), 0U) << "handles are left behind";
    EXPECT_EQ(keys_->FreedTwice, 0);
    EXPECT_EQ(mutexes_->Held, 0) << "a mutex is kept";
    EXPECT_EQ(mutexes_->OpenHandles, 0);
  }

  BindingStore& Store() {
    if (!store_) {
      store_ = windows::MakeCertificateStoreBindingStore(entries_, keys_, mutexes_, {}).get();
    }
    return *store_;
  }

  /// Puts a certificate into the store, issued so many hours ago, whose key is there.
  windows::StoreEntry AddEntry(
      std::string const& name, int hoursAgo, std::wstring const& keyName, CertificateText text = {}) {
    KeyRequest request;
    request.Name = std::string{keyName.begin(), keyName.end()};
    auto const key = Provider()->GetOrCreateKey(request, {});
    windows::StoreEntry entry;
    text.Subject = L"CN=" + keyName + std::to_wstring(hoursAgo);
    entry.Der = MakeCertificateFor(key->SubjectPublicKeyInfo(), text);
    entry.FriendlyName = *windows::Format(
        {windows::BindingTag(name), "client", "tenant", "https://sts.example", "", true,
         std::chrono::system_clock::now() - std::chrono::hours{hoursAgo}});
    entry.Key = {MS_KEY_STORAGE_PROVIDER, keyName};
    entries_->Entries.push_back(entry);
    return entry;
  }

  /// The same for "identity", with a TPM's key.
  void AddTpmEntry() {
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
  }

  gsl::not_null<std::shared_ptr<KeyProvider>> Provider(windows::KeyIsGone keyIsGone = [](auto const&) {}) {
    return windows::MakeKeyGuardKeyProvider(
        keys_, std::move(keyIsGone), {}, {}, std::make_shared<NiceMock<MockMutexes>>());
  }
  /// A binding that was just issued.
  StoredBinding NewBinding(std::string const& keyName) {
    KeyRequest request;
    request.Name = keyName;
    StoredBinding binding;
    binding.Key = Provider()->GetOrCreateKey(request, {}).get();
    auto const handle = std::make_shared<NamedKey>(binding.Key, std::wstring{keyName.begin(), keyName.end()});
    binding.Certificate = schannel::MakeBindingCertificate(
                              {MakeCertificateFor(binding.Key->SubjectPublicKeyInfo())},
                              std::shared_ptr<PrivateKeyHandle const>{handle}, KeyStrength::KeyGuard)
                              .get();
    binding.MtlsEndpoint = "https://westeurope.mtlsauth.example";
    binding.ClientId = "client";
    binding.TenantId = "tenant";
    binding.Attested = true;
    binding.IssuedOn = std::chrono::system_clock::time_point{std::chrono::seconds{1'800'000'000}};
    return binding;
  }
  /// Another process is at it.
  void NobodyLetsUsIn() {
    EXPECT_CALL(*mutexes_, Wait).WillRepeatedly(Return(DWORD{WAIT_TIMEOUT}));
    EXPECT_CALL(*entries_, Remove).Times(0);
  }

  std::shared_ptr<NiceMock<MockMutexes>> mutexes_ = std::make_shared<NiceMock<MockMutexes>>();
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
  AddTpmEntry();
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
  Provider()->GetOrCreateKey(request, {});
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

TEST_F(CertificateStoreTest, ARefusedBindingIsRemovedByItsX5tS256Alone) {
  auto const first = AddEntry("identity", 1, L"a");
  auto const second = AddEntry("identity", 2, L"b");
  auto const x5tS256 = Store().Load("identity")->Certificate->X5tS256();
  entries_->Entries = {first, second};
  Store().Remove("identity", x5tS256);
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
  EXPECT_CALL(*mutexes_, Wait(_, 300)).WillOnce(Return(DWORD{WAIT_TIMEOUT}));
  EXPECT_CALL(*mutexes_, ReleaseMutex).Times(0);
  EXPECT_CALL(*mutexes_, CloseHandle).Times(1).WillOnce(testing::DoDefault());
  EXPECT_EQ(Store().Acquire("identity", {}), nullptr);
}

TEST_F(CertificateStoreTest, NobodyWaitsLongerThanItsContextLives) {
  EXPECT_CALL(*mutexes_, Wait(_, testing::Le(101U))).WillOnce(Return(DWORD{WAIT_TIMEOUT}));
  EXPECT_EQ(Store().Acquire("identity", Context{}.WithTimeout(std::chrono::milliseconds{100})), nullptr);
}

TEST_F(CertificateStoreTest, TheMutexIsOneForAllSessionsOfTheUserAndLetsNobodyElseIn) {
  auto const tag = windows::BindingTag("identity");
  auto const name = L"Global\\mtlspop-S-1-5-21-1-" + std::wstring{tag.begin(), tag.end()};
  EXPECT_CALL(*mutexes_, OpenNamedMutex(testing::StrEq(name), testing::StrEq(L"D:P(A;;GA;;;S-1-5-21-1)(A;;GA;;;SY)")));
  EXPECT_NE(Store().Acquire("identity", {}), nullptr);
}

TEST_F(CertificateStoreTest, AMutexWhoseOwnerDiedIsTakenOver) {
  EXPECT_CALL(*mutexes_, Wait).WillOnce([this](HANDLE, DWORD) {
    ++mutexes_->Held;
    return DWORD{WAIT_ABANDONED};
  });
  EXPECT_NE(Store().Acquire("identity", {}), nullptr);
}

TEST_F(CertificateStoreTest, WithoutAMutexTheCallerGoesOn) {
  EXPECT_CALL(*mutexes_, OpenNamedMutex).WillOnce(Return(nullptr));
  EXPECT_EQ(Store().Acquire("identity", {}), nullptr);
}

TEST_F(CertificateStoreTest, WithoutTheMutexNothingIsDeleted) {
  auto const newest = AddEntry("identity", 1, L"a");
  AddEntry("identity", 2, L"b");
  AddEntry(
      "identity", 3, L"c",
      {{},
       {},
       std::chrono::system_clock::now() - std::chrono::hours{48},
       std::chrono::system_clock::now() - std::chrono::hours{24}});
  NobodyLetsUsIn();
  auto const binding = Store().Load("identity");
  ASSERT_TRUE(binding);
  EXPECT_EQ(binding->Certificate->Leaf(), newest.Der) << "reading needs none";
  Store().Remove("identity", binding->Certificate->X5tS256());
  Store().Save("identity", NewBinding("a"));
  windows::PurgeFromStore(entries_, mutexes_, {})(binding->Key->SubjectPublicKeyInfo());
  EXPECT_EQ(entries_->Entries.size(), 4U) << "what is new is saved, and what is old stays";
}

/// Who has acquired it has it already: Windows gives it to the thread once more.
TEST_F(CertificateStoreTest, WhoLoadsOrSavesDoesNotWaitForTheMutex) {
  EXPECT_CALL(*mutexes_, Wait(_, 0)).Times(2);
  Store().Load("identity");
  Store().Save("identity", NewBinding("a"));
}

/// The machine is busy, or a TPM not ready yet: the certificate is as good as before when that is over.
TEST_F(CertificateStoreTest, ACertificateWhoseKeyCannotBeUsedJustNowIsLeftAlone) {
  auto const entry = AddEntry("identity", 1, L"a");
  auto const passing = [](auto code) { return Return(static_cast<SECURITY_STATUS>(code)); };
  for (int step = 0; step < 4; ++step) {
    if (step == 0) {
      EXPECT_CALL(*keys_, OpenStorageProvider).WillOnce(passing(NTE_PROVIDER_DLL_FAIL));
    } else if (step == 1) {
      EXPECT_CALL(*keys_, OpenKey).WillOnce(passing(NTE_PERM));
    } else if (step == 2) {
      EXPECT_CALL(*keys_, ExportKey).WillOnce(passing(NTE_NO_MEMORY));
    } else {
      EXPECT_CALL(*keys_, SignHash).WillOnce(passing(NTE_DEVICE_NOT_READY));
    }
    EXPECT_FALSE(Store().Load("identity")) << "step " << step;
    EXPECT_EQ(entries_->Entries.size(), 1U) << "step " << step;
    testing::Mock::VerifyAndClearExpectations(keys_.get());
  }
  auto const binding = Store().Load("identity");
  ASSERT_TRUE(binding);
  EXPECT_EQ(binding->Certificate->Leaf(), entry.Der);
}

/// Codes that nobody knows to mean a dead key.
TEST_F(CertificateStoreTest, ACertificateWhoseKeyGuardKeyDoesNotSignIsRemovedWhateverTheKeyAnswers) {
  for (auto const status :
       {Status(NTE_FAIL), Status(NTE_INTERNAL_ERROR), Status(NTE_NOT_SUPPORTED), Status(0xC0000225)}) {
    for (auto const isolation : {Status(0), Status(NTE_INTERNAL_ERROR)}) {
      AddEntry("identity", 1, L"a");
      keys_->Reboot(status);
      keys_->IsolationStatus = isolation;
      EXPECT_FALSE(Store().Load("identity"));
      EXPECT_TRUE(entries_->Entries.empty()) << std::hex << status;
      keys_->IsolationStatus = 0;
      keys_->Reboot();
    }
  }
}

TEST_F(CertificateStoreTest, ACertificateWhoseKeyDoesNotEvenOpenAfterTheRebootIsRemoved) {
  AddEntry("identity", 1, L"a");
  keys_->Reboot(Status(0x8009003A), Status(0x8009003A));
  EXPECT_FALSE(Store().Load("identity"));
  EXPECT_TRUE(entries_->Entries.empty());
}

TEST_F(CertificateStoreTest, ACertificateWhoseKeySignsTheNextTimeIsLeftAlone) {
  AddEntry("identity", 1, L"a");
  EXPECT_CALL(*keys_, SignHash)
      .WillOnce(Return(static_cast<SECURITY_STATUS>(NTE_FAIL)))
      .WillRepeatedly(testing::DoDefault());
  Store().Load("identity");
  EXPECT_EQ(entries_->Entries.size(), 1U);
}

TEST_F(CertificateStoreTest, ACertificateOfATpmsKeyIsLeftAloneWhileNobodyKnowsThatTheKeyIsDead) {
  AddTpmEntry();
  keys_->Reboot(NTE_FAIL);
  for (auto const isolation : {Status(0), Status(NTE_INTERNAL_ERROR)}) {
    keys_->IsolationStatus = isolation;
    EXPECT_FALSE(Store().Load("identity"));
    EXPECT_EQ(entries_->Entries.size(), 1U);
  }
}

TEST_F(CertificateStoreTest, ACertificateThatIsNotValidYetIsLeftAlone) {
  auto const now = std::chrono::system_clock::now();
  AddEntry("identity", 1, L"a", {{}, {}, now + std::chrono::hours{1}, now + std::chrono::hours{24}});
  EXPECT_FALSE(Store().Load("identity"));
  EXPECT_EQ(entries_->Entries.size(), 1U) << "this machine's clock may be wrong";
}

TEST_F(CertificateStoreTest, AnOlderCertificateServesWhereTheNewestCannotJustNow) {
  AddEntry("identity", 1, L"a");
  auto const older = AddEntry("identity", 2, L"b");
  EXPECT_CALL(*keys_, OpenKey)
      .WillOnce(Return(static_cast<SECURITY_STATUS>(NTE_PERM)))
      .WillRepeatedly(testing::DoDefault());
  auto const binding = Store().Load("identity");
  ASSERT_TRUE(binding);
  EXPECT_EQ(binding->Certificate->Leaf(), older.Der);
  EXPECT_EQ(entries_->Entries.size(), 2U);
}

TEST_F(CertificateStoreTest, WhatNeverCanBeUsedAgainIsRemoved) {
  auto const now = std::chrono::system_clock::now();
  AddEntry("identity", 1, L"a", {{}, {}, now - std::chrono::hours{48}, now - std::chrono::hours{24}});
  auto entry = AddEntry("identity", 2, L"b");
  entries_->Entries.back().Der.resize(20);
  AddEntry("identity", 3, L"c");
  entries_->Entries.back().Key = {};
  AddEntry("identity", 4, L"d");
  entries_->Entries.back().Key.Name = L"no such key";
  EXPECT_FALSE(Store().Load("identity"));
  EXPECT_TRUE(entries_->Entries.empty());
}

/// Over the real CurrentUser\My: what one process saved is what the next one loads.
TEST_F(CertificateStoreTest, WhatIsSavedWithANamedKeyIsLoadedAgain) {
  auto const store = [this] {
    return windows::MakeCertificateStoreBindingStore(windows::SystemStore(), keys_, mutexes_, {});
  };
  auto const saved = NewBinding("round-trip");
  store()->Save("the round trip's identity", saved);
  auto const loaded = store()->Load("the round trip's identity");
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->Certificate->X5tS256(), saved.Certificate->X5tS256());
  EXPECT_EQ(loaded->Certificate->Strength(), KeyStrength::KeyGuard);
  EXPECT_EQ(loaded->Key->SubjectPublicKeyInfo(), saved.Key->SubjectPublicKeyInfo());
  EXPECT_EQ(loaded->MtlsEndpoint, saved.MtlsEndpoint);
  EXPECT_EQ(loaded->TokenEndpoint, saved.TokenEndpoint);
  EXPECT_EQ(loaded->ClientId, saved.ClientId);
  EXPECT_EQ(loaded->TenantId, saved.TenantId);
  EXPECT_EQ(loaded->Attested, saved.Attested);
  EXPECT_EQ(loaded->IssuedOn, saved.IssuedOn);
  std::vector<std::uint8_t> const data{1, 2, 3};
  EXPECT_TRUE(crypto::VerifyPssSha256(saved.Key->SubjectPublicKeyInfo(), data, loaded->Key->SignPssSha256(data)));

  auto const next = NewBinding("round-trip");
  store()->Save("the round trip's identity", next);
  EXPECT_EQ(store()->Load("the round trip's identity")->Certificate->X5tS256(), next.Certificate->X5tS256());
  store()->Remove("the round trip's identity", saved.Certificate->X5tS256());
  EXPECT_TRUE(store()->Load("the round trip's identity")) << "another one is meant";
  store()->Remove("the round trip's identity", next.Certificate->X5tS256());
  EXPECT_FALSE(store()->Load("the round trip's identity"));
}

TEST_F(CertificateStoreTest, TheCertificatesOfAKeyThatIsGoneArePurgedAndNoOthers) {
  auto const entry = AddEntry("identity", 1, L"a");
  auto const other = AddEntry("identity", 2, L"b");
  auto theirs = entry;
  theirs.FriendlyName = L"not ours";
  theirs.Der.back() ^= 1U;
  entries_->Entries.push_back(theirs);
  windows::PurgeFromStore(entries_, mutexes_, {})(crypto::ReadCertificate(entry.Der)->SubjectPublicKeyInfo);
  ASSERT_EQ(entries_->Entries.size(), 2U);
  EXPECT_EQ(entries_->Entries.front().Der, other.Der);
}

TEST_F(CertificateStoreTest, WhateverIsRemovedIsRemovedWithTheMutexHeld) {
  int removed = 0;
  EXPECT_CALL(*entries_, Remove).WillRepeatedly([&](gsl::span<std::uint8_t const> der) {
    EXPECT_EQ(mutexes_->Held, 1);
    ++removed;
    auto const found = std::find_if(entries_->Entries.begin(), entries_->Entries.end(), [&](auto const& entry) {
      return std::equal(entry.Der.begin(), entry.Der.end(), der.begin(), der.end());
    });
    entries_->Entries.erase(found);
    return true;
  });
  auto const entry = AddEntry("identity", 1, L"a");
  AddEntry("identity", 2, L"b");
  auto const x5tS256 = Store().Load("identity")->Certificate->X5tS256();
  EXPECT_EQ(removed, 1) << "when it was superseded";
  Store().Remove("identity", x5tS256);
  EXPECT_EQ(removed, 2) << "when it was refused";
  entries_->Entries.push_back(entry);
  Store().Save("identity", NewBinding("c"));
  EXPECT_EQ(removed, 3) << "when a new one was saved";
  entries_->Entries.push_back(entry);
  windows::PurgeFromStore(entries_, mutexes_, {})(crypto::ReadCertificate(entry.Der)->SubjectPublicKeyInfo);
  EXPECT_EQ(removed, 4) << "when its key was gone";
}

TEST_F(CertificateStoreTest, AForcedKeyTakesTheCertificatesOfAllWhoSharedTheOldOneAlong) {
  AddEntry("identity", 1, L"shared");
  AddEntry("another identity", 2, L"shared");
  auto const other = AddEntry("identity", 3, L"b");
  KeyRequest request;
  request.Name = "shared";
  request.ForceNew = true;
  Provider(windows::PurgeFromStore(entries_, mutexes_, {}))->GetOrCreateKey(request, {});
  ASSERT_EQ(entries_->Entries.size(), 1U);
  EXPECT_EQ(entries_->Entries.front().Der, other.Der);
}

TEST_F(CertificateStoreTest, AStoreThatCannotBeReadFailsNoPurge) {
  EXPECT_CALL(*entries_, Read).WillOnce(testing::Throw(std::runtime_error{"no profile"}));
  EXPECT_NO_THROW(windows::PurgeFromStore(entries_, mutexes_, {})({}));
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

TEST(SystemMutexesTest, AMutexWhoseThreadEndedIsTakenOver) {
  auto const functions = windows::SystemMutexes();
  HANDLE mutex = nullptr;
  std::thread{[&] {
    mutex = functions->OpenNamedMutex(L"Local\\mtlspop-abandoned", L"D:P(A;;GA;;;WD)");
    EXPECT_EQ(functions->Wait(mutex, 0), DWORD{WAIT_OBJECT_0});
  }}.join();
  ASSERT_NE(mutex, nullptr);
  EXPECT_EQ(functions->Wait(mutex, 300), DWORD{WAIT_ABANDONED});
  functions->ReleaseMutex(mutex);
  functions->CloseHandle(mutex);
}

TEST(SystemMutexesTest, OnlyTheUserAndTheSystemMayOpenTheMutex) {
  auto const functions = windows::SystemMutexes();
  auto const user = functions->CurrentUser();
  ASSERT_EQ(user.rfind(L"S-1-5-", 0), 0U);
  auto const held = windows::HoldMutex(functions, "test-access", std::chrono::milliseconds{0}, {}).Held;
  ASSERT_TRUE(held);
  auto* const mutex = OpenMutexW(READ_CONTROL, FALSE, (L"Global\\mtlspop-" + user + L"-test-access").c_str());
  ASSERT_NE(mutex, nullptr) << GetLastError();
  std::vector<BYTE> descriptor(1024);
  DWORD needed = 0;
  wchar_t* text = nullptr;
  ASSERT_TRUE(GetKernelObjectSecurity(
      mutex, DACL_SECURITY_INFORMATION, descriptor.data(), static_cast<DWORD>(descriptor.size()), &needed));
  ASSERT_TRUE(ConvertSecurityDescriptorToStringSecurityDescriptorW(
      descriptor.data(), SDDL_REVISION_1, DACL_SECURITY_INFORMATION, &text, nullptr));
  // Windows may spell the access out, and the user's SID by an alias; nobody but these two are in it.
  std::wstring const access{text};
  LocalFree(text);
  functions->CloseHandle(mutex);
  EXPECT_EQ(std::count(access.begin(), access.end(), L'('), 2) << "in " << std::string{access.begin(), access.end()};
  EXPECT_EQ(access.rfind(L"D:P", 0), 0U);
  EXPECT_NE(access.find(L";;;SY)"), std::wstring::npos);
}

TEST(SystemMutexesTest, AMutexThatSomebodyElseKeepsForHimselfCannotBeHad) {
  auto const functions = windows::SystemMutexes();
  auto const name = L"Global\\mtlspop-" + functions->CurrentUser() + L"-test-squatter";
  auto* const theirs = functions->OpenNamedMutex(name.c_str(), L"D:P(A;;GA;;;S-1-5-21-1-2-3-1000)");
  ASSERT_NE(theirs, nullptr);
  auto const attempt = windows::HoldMutex(functions, "test-squatter", std::chrono::milliseconds{0}, {});
  EXPECT_FALSE(attempt.Held);
  EXPECT_THAT(attempt.WhyNot, testing::HasSubstr("another account"));
  EXPECT_THAT(attempt.WhyNot, testing::HasSubstr("-test-squatter"));
  functions->CloseHandle(theirs);
}

TEST(SystemMutexesTest, SomethingElseThatHasTheNameIsSaid) {
  auto const functions = windows::SystemMutexes();
  auto const name = L"Global\\mtlspop-" + functions->CurrentUser() + L"-test-event";
  auto* const event = CreateEventW(nullptr, FALSE, FALSE, name.c_str());
  ASSERT_NE(event, nullptr);
  auto const attempt = windows::HoldMutex(functions, "test-event", std::chrono::milliseconds{0}, {});
  EXPECT_FALSE(attempt.Held);
  EXPECT_THAT(attempt.WhyNot, testing::HasSubstr("has the name Global"));
  CloseHandle(event);
}

TEST(SystemMutexesTest, AMutexBelongsToWhoMadeIt) {
  auto const functions = windows::SystemMutexes();
  auto const user = functions->CurrentUser();
  auto const access = L"D:P(A;;GA;;;" + user + L")";
  auto* const mutex = functions->OpenNamedMutex(L"Local\\mtlspop-owner", access.c_str());
  ASSERT_NE(mutex, nullptr);
  // Or to a group of his: all administrators on Windows, his primary one under Wine.
  EXPECT_EQ(functions->OwnerOf(mutex).rfind(L"S-1-5-", 0), 0U);
  EXPECT_EQ(functions->OwnerOf(nullptr), L"");
  functions->CloseHandle(mutex);
}

}  // namespace
}  // namespace mtlspop::windows_tests
