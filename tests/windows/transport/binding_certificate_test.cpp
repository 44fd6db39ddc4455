// Binding certificates whose key Windows signs with, and that every handle is given back exactly once.

#include <map>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mtlspop/transport/error.hpp"
#include "schannel/certificate_keys.hpp"
#include "schannel/server_trust.hpp"
#include "test_certificates.hpp"

namespace mtlspop::windows_tests {
namespace {

using schannel::CertificateFunctions;
using testing::_;
using testing::NiceMock;
using testing::Return;

/// Windows' own functions, counted; NCrypt is played.
class CountedFunctions : public CertificateFunctions {
 public:
  CountedFunctions() {
    ON_CALL(*this, SetProperty)
        .WillByDefault([this](PCCERT_CONTEXT context, DWORD property, DWORD flags, void const* value) {
          return real_->SetProperty(context, property, flags, value);
        });
    ON_CALL(*this, GetKeyProperty).WillByDefault(Return(NTE_NOT_FOUND));
    ON_CALL(*this, AcquirePrivateKey)
        .WillByDefault([this](
                           PCCERT_CONTEXT context, DWORD flags, HCRYPTPROV_OR_NCRYPT_KEY_HANDLE* key, DWORD* keySpec,
                           BOOL* owned) { return real_->AcquirePrivateKey(context, flags, key, keySpec, owned); });
  }

  HCERTSTORE OpenMemoryStore() override {
    ++OpenStores;
    return real_->OpenMemoryStore();
  }
  HCERTSTORE OpenSystemStore(DWORD location, wchar_t const* name, bool writable) override {
    return real_->OpenSystemStore(location, name, writable);
  }
  bool CloseStore(HCERTSTORE store) override {
    --OpenStores;
    return real_->CloseStore(store);
  }
  bool AddEncodedCertificate(HCERTSTORE store, BYTE const* der, DWORD bytes, PCCERT_CONTEXT* added) override {
    return real_->AddEncodedCertificate(store, der, bytes, added);
  }
  PCCERT_CONTEXT NextCertificate(HCERTSTORE store, PCCERT_CONTEXT previous) override {
    return real_->NextCertificate(store, previous);
  }
  PCCERT_CONTEXT DuplicateCertificate(PCCERT_CONTEXT context) override {
    ++OpenContexts;
    return real_->DuplicateCertificate(context);
  }
  void FreeCertificate(PCCERT_CONTEXT context) override {
    --OpenContexts;
    real_->FreeCertificate(context);
  }
  bool GetProperty(PCCERT_CONTEXT context, DWORD property, void* value, DWORD* bytes) override {
    return real_->GetProperty(context, property, value, bytes);
  }
  void ReleaseProvider(HCRYPTPROV provider) override {
    ++ReleasedProviders;
    real_->ReleaseProvider(provider);
  }
  SECURITY_STATUS ExportKey(NCRYPT_KEY_HANDLE, wchar_t const*, BYTE*, DWORD, DWORD*) override {
    return NTE_NOT_SUPPORTED;
  }
  SECURITY_STATUS FreeObject(NCRYPT_HANDLE object) override {
    ++Freed[object];
    return 0;
  }
  DWORD LastError() const noexcept override { return ERROR_INVALID_FUNCTION; }

  MOCK_METHOD(bool, SetProperty, (PCCERT_CONTEXT context, DWORD property, DWORD flags, void const* value), (override));
  MOCK_METHOD(
      bool,
      AcquirePrivateKey,
      (PCCERT_CONTEXT context, DWORD flags, HCRYPTPROV_OR_NCRYPT_KEY_HANDLE* key, DWORD* keySpec, BOOL* owned),
      (override));
  MOCK_METHOD(
      SECURITY_STATUS,
      GetKeyProperty,
      (NCRYPT_HANDLE object, wchar_t const* name, BYTE* value, DWORD bytes, DWORD* needed),
      (override));

  int OpenStores = 0;
  int OpenContexts = 0;
  int ReleasedProviders = 0;
  std::map<NCRYPT_HANDLE, int> Freed;

 private:
  std::shared_ptr<CertificateFunctions> real_ = schannel::SystemCertificates();
};

/// A binding over a key of the test's, without the checks that need a key that signs.
BindingCertificate BindingOver(std::shared_ptr<PrivateKeyHandle const> key) {
  static auto const certificate = MakeTestBinding();
  BindingCertificate::Parts parts;
  parts.Chain = {certificate->Leaf(), certificate->Leaf()};
  parts.Key = std::move(key);
  parts.X5tS256 = "`x5t#S256`";
  return BindingCertificate{std::move(parts)};
}

constexpr DWORD NotFreedAndNotKept = CERT_STORE_NO_CRYPT_RELEASE_FLAG | CERT_SET_PROPERTY_INHIBIT_PERSIST_FLAG;

void ExpectKeyContext(void const* value, NCRYPT_KEY_HANDLE key) {
  auto const& context = *static_cast<CERT_KEY_CONTEXT const*>(value);
  EXPECT_EQ(context.cbSize, sizeof(CERT_KEY_CONTEXT));
  EXPECT_EQ(context.hNCryptKey, key);
  EXPECT_EQ(context.dwKeySpec, CERT_NCRYPT_KEY_SPEC);
}

TEST(SchannelBindingTest, ThumbprintsAndX5tS256AreOverTheWholeCertificate) {
  auto const binding = MakeTestBinding({L"CN=client, DC=tenant"});
  EXPECT_EQ(binding->X5tS256().size(), 43U);
  EXPECT_EQ(binding->Sha1Thumbprint().size(), 40U);
  EXPECT_EQ(binding->Sha256Thumbprint().size(), 64U);
  EXPECT_TRUE(binding->IsValidAt(std::chrono::system_clock::now()));
  EXPECT_NE(binding->Subject().find("CN=client"), std::string::npos);
  EXPECT_EQ(binding->Subject().find(", "), std::string::npos);
  EXPECT_EQ(schannel::DecodePem(binding->ToPem(), "CERTIFICATE"), binding->Chain());
}

TEST(SchannelBindingTest, AKeyOfAnotherCertificateIsRefused) {
  auto const one = MakeTestBinding();
  auto const other = MakeTestBinding();
  try {
    schannel::MakeBindingCertificate(one->Chain(), other->SharedKey(), KeyStrength::Software);
    ADD_FAILURE();
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::InvalidBindingCertificate);
  }
}

TEST(SchannelBindingTest, ACertificateThatIsNotForClientsIsRefused) {
  EXPECT_THROW(MakeTestBinding({L"CN=server", {szOID_PKIX_KP_SERVER_AUTH}}), Error);
  EXPECT_NO_THROW(MakeTestBinding({L"CN=client", {szOID_PKIX_KP_SERVER_AUTH, szOID_PKIX_KP_CLIENT_AUTH}}));
}

TEST(SchannelBindingTest, WhatIsNoCertificateIsRefused) {
  auto const key = MakeTestBinding()->SharedKey();
  EXPECT_THROW(schannel::MakeBindingCertificate({}, key, KeyStrength::Software), Error);
  EXPECT_THROW(schannel::MakeBindingCertificate({{1, 2, 3}}, key, KeyStrength::Software), Error);
}

TEST(SchannelBindingTest, AKeyOfAnotherPlatformIsRefused) {
  class Foreign final : public PrivateKeyHandle {};
  auto const binding = BindingOver(std::make_shared<Foreign>());
  EXPECT_THROW(schannel::MakeCertificateContext(binding), Error);
  EXPECT_THROW(schannel::GetNCryptKey(binding.Key()), Error);
}

TEST(SchannelBindingTest, AnNCryptKeyIsAttachedByHandleAndFreedOnce) {
  constexpr NCRYPT_KEY_HANDLE key = 77;
  auto const functions = std::make_shared<NiceMock<CountedFunctions>>();
  {
    auto const binding = BindingOver(std::make_shared<schannel::NCryptCertificateKey>(functions, key));
    EXPECT_CALL(*functions, SetProperty(_, CERT_KEY_CONTEXT_PROP_ID, _, _))
        .Times(3)
        .WillRepeatedly([&](PCCERT_CONTEXT context, DWORD property, DWORD flags, void const* value) {
          ExpectKeyContext(value, key);
          EXPECT_EQ(flags, NotFreedAndNotKept) << "the context must not free the key";
          return schannel::SystemCertificates()->SetProperty(context, property, flags, value);
        });
    for (int use = 0; use < 3; ++use) {
      auto const context = schannel::MakeCertificateContext(*functions, binding);
      ASSERT_NE(context, nullptr);
      CERT_KEY_CONTEXT attached{};
      DWORD bytes = sizeof attached;
      ASSERT_TRUE(CertGetCertificateContextProperty(context.get(), CERT_KEY_CONTEXT_PROP_ID, &attached, &bytes));
      ExpectKeyContext(&attached, key);
    }
    EXPECT_TRUE(functions->Freed.empty());
  }
  EXPECT_THAT(functions->Freed, testing::ElementsAre(testing::Pair(key, 1)));
  EXPECT_EQ(functions->OpenStores, 0);
}

TEST(SchannelBindingTest, APersistedKeyIsAttachedByNameAsWell) {
  constexpr NCRYPT_KEY_HANDLE key = 77;
  constexpr NCRYPT_PROV_HANDLE provider = 78;
  auto const functions = std::make_shared<NiceMock<CountedFunctions>>();
  ON_CALL(*functions, GetKeyProperty)
      .WillByDefault([&](NCRYPT_HANDLE object, std::wstring_view name, BYTE* value, DWORD bytes, DWORD* needed) {
        if (name == NCRYPT_PROVIDER_HANDLE_PROPERTY) {
          *reinterpret_cast<NCRYPT_PROV_HANDLE*>(value) = provider;
          return SECURITY_STATUS{0};
        }
        if (name != NCRYPT_NAME_PROPERTY) {
          return static_cast<SECURITY_STATUS>(NTE_NOT_FOUND);
        }
        std::wstring const text = object == key ? L"the key" : L"the provider";
        *needed = static_cast<DWORD>((text.size() + 1) * sizeof(wchar_t));
        if (value != nullptr && bytes >= *needed) {
          std::copy_n(reinterpret_cast<BYTE const*>(text.c_str()), *needed, value);
        }
        return SECURITY_STATUS{0};
      });
  auto const binding = BindingOver(std::make_shared<schannel::NCryptCertificateKey>(functions, key));
  auto const context = schannel::MakeCertificateContext(*functions, binding);
  DWORD bytes = 0;
  ASSERT_TRUE(CertGetCertificateContextProperty(context.get(), CERT_KEY_PROV_INFO_PROP_ID, nullptr, &bytes));
  std::vector<CRYPT_KEY_PROV_INFO> info(bytes / sizeof(CRYPT_KEY_PROV_INFO) + 1);
  ASSERT_TRUE(CertGetCertificateContextProperty(context.get(), CERT_KEY_PROV_INFO_PROP_ID, info.data(), &bytes));
  EXPECT_STREQ(info.front().pwszContainerName, L"the key");
  EXPECT_STREQ(info.front().pwszProvName, L"the provider");
  EXPECT_THAT(functions->Freed, testing::ElementsAre(testing::Pair(provider, 1)));
}

TEST(SchannelBindingTest, AFailureToAttachLeavesNothingOpen) {
  auto const functions = std::make_shared<NiceMock<CountedFunctions>>();
  EXPECT_CALL(*functions, SetProperty).WillRepeatedly(Return(false));
  {
    auto const binding = BindingOver(std::make_shared<schannel::NCryptCertificateKey>(functions, 77));
    EXPECT_THROW(schannel::MakeCertificateContext(*functions, binding), Error);
  }
  EXPECT_EQ(functions->OpenStores, 0);
  EXPECT_EQ(functions->Freed[77], 1);
}

/// As of a context that its owner attached a handle to.
TEST(SchannelBindingTest, AStoredKeyWithoutANameIsAttachedByHandleAndLivesAsLongAsItsCertificate) {
  constexpr NCRYPT_KEY_HANDLE key = 99;
  auto const functions = std::make_shared<NiceMock<CountedFunctions>>();
  EXPECT_CALL(*functions, AcquirePrivateKey)
      .WillOnce([](PCCERT_CONTEXT, DWORD flags, HCRYPTPROV_OR_NCRYPT_KEY_HANDLE* handle, DWORD* keySpec, BOOL* owned) {
        EXPECT_NE(flags & CRYPT_ACQUIRE_CACHE_FLAG, 0U) << "the certificate frees it, and nobody else";
        *handle = key;
        *keySpec = CERT_NCRYPT_KEY_SPEC;
        *owned = FALSE;
        return true;
      });
  EXPECT_CALL(*functions, SetProperty(_, CERT_KEY_CONTEXT_PROP_ID, NotFreedAndNotKept, _))
      .WillOnce([](PCCERT_CONTEXT, DWORD, DWORD, void const* value) {
        ExpectKeyContext(value, key);
        return true;
      });
  {
    auto const parsed = schannel::ParseCertificate(MakeTestBinding()->Leaf());
    auto const binding = BindingOver(std::make_shared<schannel::StoredCertificateKey>(functions, parsed.get()));
    EXPECT_NE(schannel::MakeCertificateContext(*functions, binding), nullptr);
    EXPECT_EQ(functions->OpenContexts, 1) << "it holds the certificate that the key is cached in";
  }
  EXPECT_EQ(functions->OpenContexts, 0);
  EXPECT_TRUE(functions->Freed.empty());
}

TEST(SchannelBindingTest, AStoredKeyThatWindowsHandsOutIsGivenBack) {
  auto const functions = std::make_shared<NiceMock<CountedFunctions>>();
  auto const binding = MakeTestBinding();
  auto const context = schannel::MakeCertificateContext(*binding);
  {
    schannel::StoredCertificateKey const key{functions, context.get()};
    EXPECT_TRUE(key.CanBeOpened());
    EXPECT_EQ(functions->ReleasedProviders, 1);
    EXPECT_CALL(*functions, AcquirePrivateKey)
        .WillOnce([](PCCERT_CONTEXT, DWORD, HCRYPTPROV_OR_NCRYPT_KEY_HANDLE* handle, DWORD* keySpec, BOOL* owned) {
          *handle = 99;
          *keySpec = CERT_NCRYPT_KEY_SPEC;
          *owned = TRUE;
          return true;
        })
        .WillOnce(Return(false));
    EXPECT_TRUE(key.CanBeOpened());
    EXPECT_EQ(functions->Freed[99], 1);
    EXPECT_FALSE(key.CanBeOpened());
  }
  EXPECT_EQ(functions->OpenContexts, 0);
}

TEST(SchannelBindingTest, ACertificateOfTheStoreIsFoundByThumbprintAndBySubject) {
  auto const binding = MakeTestBinding({L"CN=mtlspop from store"});
  auto const context = schannel::MakeCertificateContext(*binding);
  auto* const store = CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0, CERT_SYSTEM_STORE_CURRENT_USER, L"My");
  PCCERT_CONTEXT stored = nullptr;
  ASSERT_TRUE(CertAddCertificateContextToStore(store, context.get(), CERT_STORE_ADD_REPLACE_EXISTING, &stored));
  CertControlStore(store, CERT_STORE_CTRL_COMMIT_FORCE_FLAG, CERT_STORE_CTRL_COMMIT, nullptr);
  CertCloseStore(store, 0);

  using schannel::MakeBindingCertificateFromStore;
  using schannel::StoreLocation;
  auto const byThumbprint =
      MakeBindingCertificateFromStore(StoreLocation::CurrentUser, "My", {binding->Sha1Thumbprint(), {}});
  EXPECT_EQ(byThumbprint->X5tS256(), binding->X5tS256());
  auto const bySubject = MakeBindingCertificateFromStore(StoreLocation::CurrentUser, "My", {{}, "MTLSPOP FROM STORE"});
  EXPECT_EQ(bySubject->X5tS256(), binding->X5tS256());
  EXPECT_THROW(MakeBindingCertificateFromStore(StoreLocation::CurrentUser, "My", {{}, "somebody else"}), Error);
  EXPECT_THROW(MakeBindingCertificateFromStore(StoreLocation::CurrentUser, "My", {}), Error);
  EXPECT_THROW(MakeBindingCertificateFromStore(StoreLocation::CurrentUser, "My", {"12", {}}), Error);
  EXPECT_THROW(MakeBindingCertificateFromStore(StoreLocation::LocalMachine, "No such store", {{}, "somebody"}), Error);
  CertDeleteCertificateFromStore(stored);
}

}  // namespace
}  // namespace mtlspop::windows_tests
