#include "certificate_store.hpp"

#include <algorithm>
#include <utility>

#include "../crypto.hpp"
#include "cng_key.hpp"
#include "friendly_name.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/required.hpp"

namespace mtlspop::windows {
namespace {

/// Nobody waits longer for another process.
constexpr std::chrono::milliseconds LongestWait{300};
constexpr std::chrono::milliseconds NoWait{0};

/// A certificate of the store that this library put there.
struct OwnEntry {
  StoreEntry Stored;
  FriendlyName Name;
};

/// What has become of a certificate and its key.
struct Restored {
  /// None where it cannot be used.
  std::optional<StoredBinding> Binding;
  /// Whether it never can be again. Anything that may pass (a TPM that is busy, a key that cannot be opened now) is no
  /// reason to take it away.
  bool IsUseless = false;
};
constexpr bool Useless = true;

class StoreLock final : public BindingStore::Lock {
 public:
  explicit StoreLock(HeldMutex mutex) noexcept : mutex_(std::move(mutex)) {}

 private:
  HeldMutex mutex_;
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

/// Nothing is deleted but by who holds the binding's mutex. Load and Save ask for it without waiting: the thread that
/// has acquired it gets it again, and one that could not acquire it deletes nothing.
class CertificateStore final : public BindingStore {
 public:
  CertificateStore(
      std::shared_ptr<StoreFunctions> store,
      std::shared_ptr<KeyFunctions> keys,
      std::shared_ptr<MutexFunctions> mutexes,
      CertificateStoreOptions options)
      : store_(std::move(store)), keys_(std::move(keys)), mutexes_(std::move(mutexes)), options_(std::move(options)) {}

  std::unique_ptr<Lock> Acquire(std::string_view name, Context const& context) override;
  std::optional<StoredBinding> Load(std::string_view name) override;
  void Save(std::string_view name, StoredBinding const& binding) override;
  void Remove(std::string_view name, std::string_view x5tS256) override;

 private:
  using Mutex = std::optional<HeldMutex>;

  std::vector<OwnEntry> Find(std::string const& tag) const;
  Restored Restore(OwnEntry const& entry) const;
  Restored RestoreWithKey(OwnEntry const& entry, NCryptObject key) const;
  KeyStrength StrengthOf(KeyLocation const& location, NCRYPT_KEY_HANDLE key) const;
  void Drop(Mutex const& mutex, OwnEntry const& entry, char const* why) const;

  std::shared_ptr<StoreFunctions> store_;
  std::shared_ptr<KeyFunctions> keys_;
  std::shared_ptr<MutexFunctions> mutexes_;
  CertificateStoreOptions options_;
};

std::unique_ptr<BindingStore::Lock> CertificateStore::Acquire(std::string_view name, Context const& context) {
  context.ThrowIfEnded("Waiting for the certificate store");
  auto mutex = HoldMutex(mutexes_, BindingTag(name), LongestWait, context);
  if (!mutex.Held) {
    options_.Observer.Tell(Severity::Info, "store.busy", {{"what", mutex.WhyNot}});
    return nullptr;
  }
  return std::make_unique<StoreLock>(std::move(*mutex.Held));
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
  auto const tag = BindingTag(name);
  auto const mutex = HoldMutex(mutexes_, tag, NoWait, {}).Held;
  std::optional<StoredBinding> newest;
  for (auto const& entry : Find(tag)) {
    if (newest) {
      Drop(mutex, entry, "superseded");
      continue;
    }
    auto restored = Restore(entry);
    if (restored.IsUseless) {
      Drop(mutex, entry, "unusable");
    }
    newest = std::move(restored.Binding);
  }
  return newest;
}

Restored CertificateStore::Restore(OwnEntry const& entry) const {
  auto const facts = crypto::ReadCertificate(entry.Stored.Der);
  auto const now = options_.Time->Now();
  if (!facts || facts->NotAfter <= now || entry.Stored.Key.Name.empty()) {
    return {std::nullopt, Useless};
  }
  NCRYPT_PROV_HANDLE providerHandle = 0;
  if (now < facts->NotBefore || keys_->OpenStorageProvider(&providerHandle, entry.Stored.Key.Provider.c_str()) != 0) {
    return {};
  }
  NCryptObject const provider{keys_, providerHandle};
  NCRYPT_KEY_HANDLE keyHandle = 0;
  auto const status = keys_->OpenKey(provider.Get(), &keyHandle, entry.Stored.Key.Name.c_str());
  if (status != 0) {
    return {std::nullopt, IsStale(status)};
  }
  NCryptObject key{keys_, keyHandle};
  try {
    if (ReadPublicKey(*keys_, keyHandle) != facts->SubjectPublicKeyInfo) {
      return {std::nullopt, Useless};
    }
    auto const signing = ProbeSigning(*keys_, keyHandle);
    if (signing != 0) {
      // Software keys are not kept: what is in the software provider is KeyGuard's, and its certificate this library's.
      bool const isKeyGuards = entry.Stored.Key.Provider == MS_KEY_STORAGE_PROVIDER;
      return {std::nullopt, IsStale(signing) || IsDeadKeyGuardKey(*keys_, keyHandle, signing, isKeyGuards)};
    }
    return RestoreWithKey(entry, std::move(key));
  } catch (Error const& error) {
    options_.Observer.Tell(Severity::Debug, "store.entry_unusable", {{"what", error.what()}});
    return {};
  }
}

Restored CertificateStore::RestoreWithKey(OwnEntry const& entry, NCryptObject key) const {
  auto const strength = StrengthOf(entry.Stored.Key, key.Get());
  StoredBinding binding;
  binding.Key = MakeBindingKey(std::move(key), strength).get();
  binding.Certificate = schannel::MakeBindingCertificate({entry.Stored.Der}, binding.Key->Handle(), strength).get();
  binding.MtlsEndpoint = entry.Name.MtlsEndpoint;
  binding.TokenEndpoint = entry.Name.TokenEndpoint;
  binding.ClientId = entry.Name.ClientId;
  binding.TenantId = entry.Name.TenantId;
  binding.Attested = entry.Name.Attested;
  binding.IssuedOn = entry.Name.IssuedOn;
  return {std::move(binding)};
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

void CertificateStore::Drop(Mutex const& mutex, OwnEntry const& entry, char const* why) const {
  if (!mutex) {
    options_.Observer.Tell(Severity::Info, "store.not_removed", {{"what", "the store is busy"}});
    return;
  }
  options_.Observer.Tell(Severity::Info, "store.removed", {{"what", why}, {"client_id", entry.Name.ClientId}});
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
  auto const mutex = HoldMutex(mutexes_, tag, NoWait, {}).Held;
  auto const earlier = Find(tag);
  store_->Add({binding.Certificate->Leaf(), *friendlyName, location});
  for (auto const& entry : earlier) {
    if (entry.Stored.Der != binding.Certificate->Leaf()) {
      Drop(mutex, entry, "superseded");
    }
  }
}

void CertificateStore::Remove(std::string_view name, std::string_view x5tS256) {
  auto const tag = BindingTag(name);
  auto const mutex = HoldMutex(mutexes_, tag, LongestWait, {}).Held;
  for (auto const& entry : Find(tag)) {
    if (encoding::ToBase64Url(crypto::Sha256(entry.Stored.Der)) == x5tS256) {
      Drop(mutex, entry, "refused");
    }
  }
}

}  // namespace

gsl::not_null<std::shared_ptr<BindingStore>> MakeCertificateStoreBindingStore(
    std::shared_ptr<StoreFunctions> store,
    std::shared_ptr<KeyFunctions> keys,
    std::shared_ptr<MutexFunctions> mutexes,
    CertificateStoreOptions options) {
  return std::shared_ptr<BindingStore>{
      std::make_shared<CertificateStore>(std::move(store), std::move(keys), std::move(mutexes), std::move(options))};
}

gsl::not_null<std::shared_ptr<BindingStore>> MakeCertificateStoreBindingStore(CertificateStoreOptions options) {
  Required(options.Time, "CertificateStoreOptions::Time");
  return MakeCertificateStoreBindingStore(SystemStore(), SystemKeys(), SystemMutexes(), std::move(options));
}

KeyIsGone PurgeFromStore(
    std::shared_ptr<StoreFunctions> store, std::shared_ptr<MutexFunctions> mutexes, EventSink observer) {
  return [store = std::move(store), mutexes = std::move(mutexes),
          observer = std::move(observer)](std::vector<std::uint8_t> const& publicKey) {
    try {
      for (auto const& entry : store->Read()) {
        auto const name = ParseFriendlyName(entry.FriendlyName);
        auto const facts = name ? crypto::ReadCertificate(entry.Der) : std::nullopt;
        if (!facts || facts->SubjectPublicKeyInfo != publicKey) {
          continue;
        }
        // No waiting here: whoever holds the mutex may be waiting for the key that replaces this one.
        auto const mutex = HoldMutex(mutexes, name->Tag, NoWait, {}).Held;
        if (mutex) {
          store->Remove(entry.Der);
          observer.Tell(Severity::Info, "store.removed", {{"what", "its key is gone"}});
        }
      }
    } catch (std::exception const& error) {
      observer.Tell(Severity::Warning, "store.purge_failed", {{"what", error.what()}});
    }
  };
}

KeyIsGone PurgeFromPersonalStore(EventSink observer) {
  return PurgeFromStore(SystemStore(), SystemMutexes(), std::move(observer));
}

}  // namespace mtlspop::windows
