#include "certificate_store.hpp"

#include <algorithm>
#include <utility>

#include "../crypto.hpp"
#include "../encoding.hpp"
#include "cng_key.hpp"
#include "friendly_name.hpp"
#include "mtlspop/credential/errors.hpp"

namespace mtlspop::windows {
namespace {

/// Nobody waits longer for another process.
constexpr DWORD LockMilliseconds = 300;

/// A certificate of the store that this library put there.
struct OwnEntry {
  StoreEntry Stored;
  FriendlyName Name;
};

/// A thread owns a Windows mutex: it has to be the one that lets go of it.
class MutexLock final : public BindingStore::Lock {
 public:
  MutexLock(std::shared_ptr<StoreFunctions> functions, HANDLE mutex) noexcept
      : functions_(std::move(functions)), mutex_(mutex) {}
  ~MutexLock() override {
    functions_->ReleaseMutex(mutex_);
    functions_->CloseHandle(mutex_);
  }
  MutexLock(MutexLock const&) = delete;
  MutexLock& operator=(MutexLock const&) = delete;

 private:
  std::shared_ptr<StoreFunctions> functions_;
  HANDLE mutex_;
};

/// The place of a certificate's key, as the key itself attaches it; none for a key that has no name.
KeyLocation LocationOf(BindingCertificate const& certificate) {
  auto const context = schannel::MakeCertificateContext(certificate);
  DWORD bytes = 0;
  if (CertGetCertificateContextProperty(context.get(), CERT_KEY_PROV_INFO_PROP_ID, nullptr, &bytes) == FALSE) {
    return {};
  }
  std::vector<CRYPT_KEY_PROV_INFO> info(bytes / sizeof(CRYPT_KEY_PROV_INFO) + 1);
  if (CertGetCertificateContextProperty(context.get(), CERT_KEY_PROV_INFO_PROP_ID, info.data(), &bytes) == FALSE ||
      info.front().dwProvType != 0) {
    return {};
  }
  return {info.front().pwszProvName, info.front().pwszContainerName};
}

class CertificateStore final : public BindingStore {
 public:
  CertificateStore(
      std::shared_ptr<StoreFunctions> store, std::shared_ptr<KeyFunctions> keys, CertificateStoreOptions options)
      : store_(std::move(store)), keys_(std::move(keys)), options_(std::move(options)) {}

  std::unique_ptr<Lock> Acquire(std::string_view name, Context const& context) override;
  std::optional<StoredBinding> Load(std::string_view name) override;
  void Save(std::string_view name, StoredBinding const& binding) override;
  void Remove(std::string_view name, std::string_view keyId) override;

 private:
  std::vector<OwnEntry> Find(std::string const& tag) const;
  std::optional<StoredBinding> Restore(OwnEntry const& entry) const;
  KeyStrength StrengthOf(KeyLocation const& location, NCRYPT_KEY_HANDLE key) const;
  void Drop(OwnEntry const& entry, char const* why) const;

  std::shared_ptr<StoreFunctions> store_;
  std::shared_ptr<KeyFunctions> keys_;
  CertificateStoreOptions options_;
};

std::unique_ptr<BindingStore::Lock> CertificateStore::Acquire(std::string_view name, Context const& context) {
  context.ThrowIfEnded("Waiting for the certificate store");
  auto const tag = BindingTag(name);
  auto const mutexName = L"Local\\mtlspop-" + std::wstring{tag.begin(), tag.end()};
  auto* const mutex = store_->OpenNamedMutex(mutexName.c_str());
  if (mutex == nullptr) {
    options_.Log.Write(LogLevel::Warning, "store.no_mutex");
    return nullptr;
  }
  auto const result = store_->Wait(mutex, LockMilliseconds);
  // Abandoned: its owner died while it held it. It is ours now, and whatever was left behind is checked when it is read.
  if (result == WAIT_OBJECT_0 || result == WAIT_ABANDONED) {
    return std::make_unique<MutexLock>(store_, mutex);
  }
  store_->CloseHandle(mutex);
  options_.Log.Write(LogLevel::Info, "store.busy");
  return nullptr;
}

std::vector<OwnEntry> CertificateStore::Find(std::string const& tag) const {
  std::vector<OwnEntry> found;
  for (auto& entry : store_->Read()) {
    auto name = ParseFriendlyName(entry.FriendlyName);
    if (name && name->Tag == tag) {
      found.push_back({std::move(entry), std::move(*name)});
    }
  }
  std::sort(found.begin(), found.end(), [](OwnEntry const& left, OwnEntry const& right) {
    return left.Name.IssuedOn > right.Name.IssuedOn;
  });
  return found;
}

std::optional<StoredBinding> CertificateStore::Load(std::string_view name) {
  std::optional<StoredBinding> newest;
  for (auto const& entry : Find(BindingTag(name))) {
    if (newest) {
      Drop(entry, "superseded");
    } else if (!(newest = Restore(entry))) {
      Drop(entry, "unusable");
    }
  }
  return newest;
}

/// None where the certificate has expired, or its key is gone, is another one, or does not sign.
std::optional<StoredBinding> CertificateStore::Restore(OwnEntry const& entry) const {
  auto const facts = crypto::ReadCertificate(entry.Stored.Der);
  auto const now = options_.Time->Now();
  NCRYPT_PROV_HANDLE providerHandle = 0;
  if (!facts || now < facts->NotBefore || facts->NotAfter <= now || entry.Stored.Key.Name.empty() ||
      keys_->OpenStorageProvider(&providerHandle, entry.Stored.Key.Provider.c_str()) != 0) {
    return std::nullopt;
  }
  NCryptObject const provider{keys_, providerHandle};
  NCRYPT_KEY_HANDLE keyHandle = 0;
  if (keys_->OpenKey(provider.Get(), &keyHandle, entry.Stored.Key.Name.c_str()) != 0) {
    return std::nullopt;
  }
  NCryptObject key{keys_, keyHandle};
  try {
    if (ReadPublicKey(*keys_, keyHandle) != facts->SubjectPublicKeyInfo || !DoesSign(*keys_, keyHandle)) {
      return std::nullopt;
    }
    StoredBinding binding;
    binding.Key = MakeBindingKey(std::move(key), StrengthOf(entry.Stored.Key, keyHandle)).get();
    binding.Certificate =
        schannel::MakeBindingCertificate({entry.Stored.Der}, binding.Key->Handle(), binding.Key->Strength()).get();
    binding.MtlsEndpoint = entry.Name.MtlsEndpoint;
    binding.TokenEndpoint = entry.Name.TokenEndpoint;
    binding.ClientId = entry.Name.ClientId;
    binding.TenantId = entry.Name.TenantId;
    binding.Attested = entry.Name.Attested;
    binding.IssuedOn = entry.Name.IssuedOn;
    return binding;
  } catch (Error const& error) {
    options_.Log.Write(LogLevel::Debug, "store.entry_unusable", {{"why", error.what()}});
    return std::nullopt;
  }
}

KeyStrength CertificateStore::StrengthOf(KeyLocation const& location, NCRYPT_KEY_HANDLE key) const {
  if (IsIsolated(*keys_, key)) {
    return KeyStrength::KeyGuard;
  }
  NCRYPT_PROV_HANDLE handle = 0;
  if (location.Provider != PlatformProvider || keys_->OpenStorageProvider(&handle, PlatformProvider) != 0) {
    return KeyStrength::Software;
  }
  NCryptObject const provider{keys_, handle};
  return ProbeHardware(*keys_, handle) == 0 ? KeyStrength::Hardware : KeyStrength::Software;
}

void CertificateStore::Drop(OwnEntry const& entry, char const* why) const {
  options_.Log.Write(LogLevel::Info, "store.removed", {{"why", why}, {"client_id", entry.Name.ClientId}});
  store_->Remove(entry.Stored.Der);
}

void CertificateStore::Save(std::string_view name, StoredBinding const& binding) {
  // A software key is deleted with its last owner, and one without a name cannot be found again.
  auto const location =
      binding.Certificate->Strength() > KeyStrength::Software ? LocationOf(*binding.Certificate) : KeyLocation{};
  if (location.Name.empty()) {
    return;
  }
  auto const tag = BindingTag(name);
  auto const friendlyName = Format(
      {tag, binding.ClientId, binding.TenantId, binding.MtlsEndpoint, binding.TokenEndpoint, binding.Attested,
       binding.IssuedOn});
  if (!friendlyName) {
    return;
  }
  auto const earlier = Find(tag);
  store_->Add({binding.Certificate->Leaf(), *friendlyName, location});
  for (auto const& entry : earlier) {
    if (entry.Stored.Der != binding.Certificate->Leaf()) {
      Drop(entry, "superseded");
    }
  }
}

void CertificateStore::Remove(std::string_view name, std::string_view keyId) {
  for (auto const& entry : Find(BindingTag(name))) {
    if (encoding::ToBase64Url(crypto::Sha256(entry.Stored.Der)) == keyId) {
      Drop(entry, "refused");
    }
  }
}

}  // namespace

gsl::not_null<std::shared_ptr<BindingStore>> MakeCertificateStoreBindingStore(
    std::shared_ptr<StoreFunctions> store, std::shared_ptr<KeyFunctions> keys, CertificateStoreOptions options) {
  return std::shared_ptr<BindingStore>{
      std::make_shared<CertificateStore>(std::move(store), std::move(keys), std::move(options))};
}

gsl::not_null<std::shared_ptr<BindingStore>> MakeCertificateStoreBindingStore(CertificateStoreOptions options) {
  return MakeCertificateStoreBindingStore(SystemStore(), SystemKeys(), std::move(options));
}

KeyIsGone PurgeFromStore(std::shared_ptr<StoreFunctions> store, Logger log) {
  return [store = std::move(store), log = std::move(log)](std::vector<std::uint8_t> const& publicKey) {
    try {
      for (auto const& entry : store->Read()) {
        auto const facts = crypto::ReadCertificate(entry.Der);
        if (ParseFriendlyName(entry.FriendlyName) && facts && facts->SubjectPublicKeyInfo == publicKey) {
          store->Remove(entry.Der);
          log.Write(LogLevel::Info, "store.removed", {{"why", "its key is gone"}});
        }
      }
    } catch (std::exception const& error) {
      log.Write(LogLevel::Warning, "store.purge_failed", {{"why", error.what()}});
    }
  };
}

KeyIsGone PurgeFromPersonalStore(Logger log) { return PurgeFromStore(SystemStore(), std::move(log)); }

}  // namespace mtlspop::windows
