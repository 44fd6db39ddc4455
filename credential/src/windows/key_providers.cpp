#include "key_providers.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include <bcrypt.h>

#include <gsl/util>

#include "../uuid.hpp"
#include "certificate_store.hpp"
#include "cng_key.hpp"
#include "friendly_name.hpp"
#include "mtlspop/base/environment_variable.hpp"
#include "mtlspop/base/windows/wide_text.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/windows.hpp"
#include "status.hpp"
#include "turn.hpp"

// Newer than the cross compiler's headers; the values are those of the Windows SDK's ncrypt.h.
#ifndef NCRYPT_USE_VIRTUAL_ISOLATION_FLAG
#define NCRYPT_USE_VIRTUAL_ISOLATION_FLAG 0x00020000
#endif
#ifndef NCRYPT_USE_PER_BOOT_KEY_FLAG
#define NCRYPT_USE_PER_BOOT_KEY_FLAG 0x00040000
#endif

namespace mtlspop::windows {
namespace {

using std::chrono::milliseconds;
using PublicKey = std::vector<std::uint8_t>;

/// How long a request waits for another process that makes or replaces the key: a TPM takes seconds for one.
constexpr milliseconds LongestWait{10'000};
/// And the question what this machine can do, which has to be quick.
constexpr milliseconds LongestWaitOfProbe{2'000};
constexpr DWORD KeyBits = 2048;
/// Instead of NCRYPT_OVERWRITE_KEY_FLAG.
constexpr DWORD KeepIt = 0;

/// One tier: where its keys come from and what makes them trustworthy.
struct Tier {
  KeyStrength Strength;
  wchar_t const* Provider;
  wchar_t const* KeyName;
  DWORD CreationFlags;
  bool MustBeIsolated;
};

constexpr Tier KeyGuardTier{
    KeyStrength::KeyGuard, MS_KEY_STORAGE_PROVIDER, L"MtlspopKeyGuardKey",
    NCRYPT_USE_VIRTUAL_ISOLATION_FLAG | NCRYPT_USE_PER_BOOT_KEY_FLAG, true};
constexpr Tier TpmTier{KeyStrength::Hardware, PlatformProvider, L"MtlspopTpmKey", 0, false};

std::wstring WidenName(std::string const& name) { return {name.begin(), name.end()}; }

std::wstring NameOr(std::string const& name, std::wstring const& otherwise) {
  return name.empty() ? otherwise : WidenName(name);
}

[[noreturn]] void ThrowTooWeak(KeyStrength wanted, KeyStrength had) {
  ErrorDetails details{
      errors::MinimumStrengthNotAvailable,
      "A key of strength " + std::string{ToString(wanted)} + " was asked for, and this provider makes " +
          std::string{ToString(had)} + " keys at best",
      "Lower the minimum strength in the credential's options, or run where stronger keys exist (a Trusted Launch "
      "virtual machine with Windows for KeyGuard)"};
  details.NothingSent = true;
  throw Error{std::move(details)};
}

/// How long a tier will have no key to give.
enum class Lasts {
  /// As long as the process runs.
  ForGood,
  /// Until somebody mends it.
  UntilMended,
  /// It may be over the next time.
  Shortly
};

/// A tier that has no key to give.
class TierUnavailable final : public Error {
 public:
  TierUnavailable(Error const& error, Lasts lasts) : Error(With(error, lasts)), lasts_(lasts) {}

  bool IsForGood() const noexcept { return lasts_ == Lasts::ForGood; }

 private:
  static ErrorDetails With(Error const& error, Lasts lasts) {
    auto details = error.Details();
    details.Transient = lasts == Lasts::Shortly;
    return details;
  }

  Lasts lasts_;
};

Lasts LastsAfter(SECURITY_STATUS status) {
  return IsVbsUnavailable(status) || status == NTE_NOT_SUPPORTED ? Lasts::ForGood : Lasts::Shortly;
}

TierUnavailable Unavailable(Tier const& tier, char const* what, SECURITY_STATUS status) {
  auto const failure = Failure(
      errors::KeyUnavailable, std::string{what} + " for a " + std::string{ToString(tier.Strength)} + " key", status,
      tier.Strength == KeyStrength::KeyGuard ? "Check with msinfo32 that virtualization-based security is running; it "
                                               "needs a Trusted Launch virtual machine "
                                               "with secure boot and vTPM"
                                             : "Check with Get-Tpm that the machine has a TPM that is ready");
  return TierUnavailable{failure, LastsAfter(status)};
}

std::string NameOf(Tier const& tier, std::wstring const& name) {
  return std::string{ToString(tier.Strength)} + " key " + NarrowAscii(name);
}

std::string HowToDelete(Tier const& tier) {
  return "delete it with certutil -user -csp \"" + NarrowAscii(tier.Provider) + "\" -delkey and its name";
}

/// A key that is there, and neither usable nor known to be of no use to anybody.
TierUnavailable Unusable(Tier const& tier, std::wstring const& name, char const* what, SECURITY_STATUS status) {
  return TierUnavailable{
      Failure(
          errors::KeyUnavailable, "The " + NameOf(tier, name) + " " + what, status,
          "Check that this account may use the key, and try again. Where it stays like this and nobody needs the "
          "key, " +
              HowToDelete(tier) + "; another one is made then"),
      Lasts::Shortly};
}

/// A key that lives and is not what this tier gives: somebody else's.
TierUnavailable NameIsTaken(Tier const& tier, std::wstring const& name, std::string const& why) {
  ErrorDetails details{
      errors::KeyUnavailable,
      "The name " + NarrowAscii(name) + " is that of a key which is in use and no " +
          std::string{ToString(tier.Strength)} + " key. It is left alone. " + why,
      "Choose a name that no other program uses, with the environment variable MSAL_MSI_V2_KEY_NAME. Or, if nobody "
      "needs that key, " +
          HowToDelete(tier)};
  details.NothingSent = true;
  return TierUnavailable{Error{std::move(details)}, Lasts::UntilMended};
}

/// Without the mutex nothing is made and nothing destroyed.
TierUnavailable Busy(Tier const& tier, std::wstring const& name, std::string const& whyNot) {
  ErrorDetails details{
      errors::KeyUnavailable, "The " + NameOf(tier, name) + " has to be made or replaced, and " + whyNot,
      "Try again. Where it stays like this, look for a process that hangs or keeps the mutex, of this user or of the "
      "account that is named, and end it"};
  details.NothingSent = true;
  return TierUnavailable{Error{std::move(details)}, Lasts::Shortly};
}

/// Names the mutex that keeps those apart who make, replace or delete one key. Windows does not tell 'a' from 'A' in the
/// names of keys.
std::string MutexOf(Tier const& tier, std::wstring const& name) {
  auto text = NarrowAscii(tier.Provider) + "|" + NarrowAscii(name);
  std::transform(text.begin(), text.end(), text.begin(), [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  });
  return "key-" + BindingTag(text);
}

/// The name that credentials ask for, so that what is looked for before the first request is the key of the request.
std::string ConfiguredName() {
  char const* const name = ReadEnvironmentVariable("MSAL_MSI_V2_KEY_NAME");
  return name == nullptr ? std::string{} : name;
}

/// Sets what a new key has to be.
SECURITY_STATUS SetUp(KeyFunctions& functions, NCRYPT_KEY_HANDLE key) {
  DWORD bits = KeyBits;
  auto status = functions.SetProperty(key, NCRYPT_LENGTH_PROPERTY, reinterpret_cast<BYTE*>(&bits), sizeof bits);
  if (status == 0) {
    // Never exportable, not even encrypted.
    DWORD policy = 0;
    status = functions.SetProperty(key, NCRYPT_EXPORT_POLICY_PROPERTY, reinterpret_cast<BYTE*>(&policy), sizeof policy);
  }
  return status == 0 ? functions.FinalizeKey(key) : status;
}

NCryptObject OpenProvider(std::shared_ptr<KeyFunctions> const& functions, Tier const& tier) {
  NCRYPT_PROV_HANDLE provider = 0;
  auto status = functions->OpenStorageProvider(&provider, tier.Provider);
  if (status != 0) {
    throw Unavailable(tier, "The key storage provider cannot be opened", status);
  }
  NCryptObject opened{functions, provider};
  if (tier.Strength == KeyStrength::Hardware) {
    status = ProbeHardware(*functions, provider);
    if (status != 0) {
      throw Unavailable(tier, "The key storage provider does not say that it is hardware", status);
    }
  }
  return opened;
}

/// What is there under a name.
enum class KeyState { Absent, Dead, Alive };
struct Found {
  KeyState State;
  /// Of one that lives, and of a dead one that can be opened.
  std::optional<NCryptObject> Key;
  /// What one that is dead answered.
  SECURITY_STATUS Why = 0;
};

/// What others are told when no thread waits for this one any more: they may come back with a request of their own.
struct Aftermath {
  struct Line {
    LogLevel Level;
    char const* Event;
    std::string Why;
  };
  std::vector<PublicKey> Gone;
  std::vector<Line> Lines;
};

/// Makes and opens the named keys of one tier, and keeps the one in use.
///
/// All identities and processes of a user may share a name. A key that lives is taken as it is. For everything else there
/// is a mutex, and under it another look: what another process has made meanwhile is taken, and neither deleted nor
/// overwritten.
class PersistedKeyProvider final : public KeyProvider {
 public:
  PersistedKeyProvider(
      Tier const& tier,
      std::shared_ptr<KeyFunctions> functions,
      std::shared_ptr<MutexFunctions> mutexes,
      KeyIsGone keyIsGone,
      Logger log,
      std::string const& usualName)
      : tier_(tier),
        functions_(std::move(functions)),
        mutexes_(std::move(mutexes)),
        keyIsGone_(std::move(keyIsGone)),
        log_(std::move(log)),
        usualName_(NameOr(usualName, tier.KeyName)) {}

  KeyStrength HighestStrength() const noexcept override;
  gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(
      KeyRequest const& request, Context const& context) override;

 private:
  template <class Work>
  auto InTurn(Context const& context, Work work) const;
  void Tell(Aftermath const& aftermath) const noexcept;
  KeyStrength Highest() const;
  std::shared_ptr<BindingKey const> Get(KeyRequest const& request, milliseconds wait, Context const& context) const;
  NCryptObject OpenOrCreate(
      NCryptObject const& provider, std::wstring const& name, milliseconds wait, Context const& context) const;
  NCryptObject Replace(
      NCryptObject const& provider,
      std::wstring const& name,
      PublicKey const& refused,
      milliseconds wait,
      Context const& context) const;
  PublicKey RefusedKey(NCryptObject const& provider, std::wstring const& name, KeyRequest const& request) const;
  NCryptObject MakeAnother(NCryptObject const& provider, std::wstring const& name, Found found) const;
  MutexAttempt Hold(std::wstring const& name, milliseconds wait, Context const& context) const;
  Found Look(NCryptObject const& provider, std::wstring const& name) const;
  std::optional<NCryptObject> Create(NCryptObject const& provider, std::wstring const& name, DWORD ifItExists) const;
  NCryptObject Finish(NCryptObject key) const;
  bool IsTrustworthy(NCRYPT_KEY_HANDLE key) const;
  bool IsDead(NCRYPT_KEY_HANDLE key, std::wstring const& name, SECURITY_STATUS status) const;
  void NoteGone(NCRYPT_KEY_HANDLE key) const;
  void Note(LogLevel level, char const* event, std::string why) const;

  Tier const& tier_;
  std::shared_ptr<KeyFunctions> functions_;
  std::shared_ptr<MutexFunctions> mutexes_;
  KeyIsGone keyIsGone_;
  Logger log_;
  /// The name of the key where a request names none, and the one that is looked for before there is a request.
  std::wstring usualName_;

  /// Keeps two threads from making the key at once. What follows is for the thread that has its turn.
  mutable Turns turns_;
  mutable Aftermath aftermath_;
  mutable std::wstring currentName_;
  mutable std::shared_ptr<BindingKey const> current_;
  mutable std::optional<KeyStrength> highest_;
};

/// Calls `work` as the only thread, and tells afterwards what it noted. Whatever is told of may call this again.
template <class Work>
auto PersistedKeyProvider::InTurn(Context const& context, Work work) const {
  Aftermath noted;
  auto const tell = gsl::finally([&] { Tell(noted); });
  Turns::Turn const turn{turns_, context, "Waiting for another thread that makes the binding key"};
  auto const take = gsl::finally([&] { std::swap(noted, aftermath_); });
  return work();
}

void PersistedKeyProvider::Tell(Aftermath const& aftermath) const noexcept {
  for (auto const& key : aftermath.Gone) {
    keyIsGone_(key);
  }
  try {
    for (auto const& line : aftermath.Lines) {
      log_.Write(line.Level, line.Event, {{"tier", ToString(tier_.Strength)}, {"why", line.Why}});
    }
  } catch (std::exception const&) {
    // There is no memory for the lines.
    return;
  }
}

KeyStrength PersistedKeyProvider::HighestStrength() const noexcept {
  try {
    return InTurn(Context{}.WithTimeout(LongestWait), [this] { return Highest(); });
  } catch (std::exception const& error) {
    log_.Write(LogLevel::Info, "key.tier_unavailable", {{"tier", ToString(tier_.Strength)}, {"why", error.what()}});
    return KeyStrength::None;
  }
}

/// A TPM is there or not, and takes seconds to make a key. Whether keys are isolated shows only when one is made; it is the
/// one that will be used, so the time is not lost. A failure is remembered only where it is for good.
KeyStrength PersistedKeyProvider::Highest() const {
  if (highest_) {
    return *highest_;
  }
  try {
    if (tier_.MustBeIsolated) {
      highest_ = Get({}, LongestWaitOfProbe, {})->Strength();
    } else {
      OpenProvider(functions_, tier_);
      highest_ = tier_.Strength;
    }
    return *highest_;
  } catch (TierUnavailable const& error) {
    if (error.IsForGood()) {
      highest_ = KeyStrength::None;
    }
    throw;
  }
}

gsl::not_null<std::shared_ptr<BindingKey const>> PersistedKeyProvider::GetOrCreateKey(
    KeyRequest const& request, Context const& context) {
  if (request.MinimumStrength > tier_.Strength) {
    ThrowTooWeak(request.MinimumStrength, tier_.Strength);
  }
  context.ThrowIfEnded("Making the binding key");
  try {
    return gsl::make_not_null(InTurn(context, [&] {
      auto key = Get(request, LongestWait, context);
      highest_ = tier_.Strength;
      return key;
    }));
  } catch (TierUnavailable const& error) {
    if (!error.IsForGood() || request.MinimumStrength == KeyStrength::None) {
      throw;
    }
    auto details = error.Details();
    details.Code = errors::MinimumStrengthNotAvailable;
    throw Error{std::move(details)};
  }
}

std::shared_ptr<BindingKey const> PersistedKeyProvider::Get(
    KeyRequest const& request, milliseconds wait, Context const& context) const {
  auto const name = NameOr(request.Name, usualName_);
  if (current_ && !request.ForceNew && currentName_ == name) {
    return current_;
  }
  auto const provider = OpenProvider(functions_, tier_);
  auto key = request.ForceNew ? Replace(provider, name, RefusedKey(provider, name, request), wait, context)
                              : OpenOrCreate(provider, name, wait, context);
  current_ = MakeBindingKey(std::move(key), tier_.Strength).get();
  currentName_ = name;
  return current_;
}

NCryptObject PersistedKeyProvider::OpenOrCreate(
    NCryptObject const& provider, std::wstring const& name, milliseconds wait, Context const& context) const {
  auto found = Look(provider, name);
  if (found.State == KeyState::Alive) {
    return std::move(*found.Key);
  }
  auto const mutex = Hold(name, wait, context);
  found = Look(provider, name);
  if (found.State == KeyState::Alive) {
    return std::move(*found.Key);
  }
  if (!mutex.Held) {
    throw Busy(tier_, name, mutex.WhyNot);
  }
  return MakeAnother(provider, name, std::move(found));
}

/// Another key than the refused one. Where somebody who shares the name has put another one there already, it is that
/// one: two identities that replaced each other's keys in turn would never come to rest. The certificates of a key that
/// is overwritten are of no use to anybody any more, and purged.
NCryptObject PersistedKeyProvider::Replace(
    NCryptObject const& provider,
    std::wstring const& name,
    PublicKey const& refused,
    milliseconds wait,
    Context const& context) const {
  auto const mutex = Hold(name, wait, context);
  auto found = Look(provider, name);
  auto const there = found.State == KeyState::Alive ? ReadPublicKey(*functions_, found.Key->Get()) : PublicKey{};
  if (found.State == KeyState::Alive && there != refused) {
    return std::move(*found.Key);
  }
  if (!mutex.Held) {
    throw Busy(tier_, name, mutex.WhyNot);
  }
  if (found.State != KeyState::Alive) {
    return MakeAnother(provider, name, std::move(found));
  }
  auto key = *Create(provider, name, NCRYPT_OVERWRITE_KEY_FLAG);
  // Whatever the new one is worth.
  aftermath_.Gone.push_back(there);
  Note(LogLevel::Info, "key.replaced", "it was refused");
  return Finish(std::move(key));
}

/// The key that is not to be had again: the one that the request names, or the one that was handed out last, or, where
/// nobody knows, the one that is there before others are waited for. Empty where there is none.
PublicKey PersistedKeyProvider::RefusedKey(
    NCryptObject const& provider, std::wstring const& name, KeyRequest const& request) const {
  if (!request.Refused.empty()) {
    return request.Refused;
  }
  if (current_ && currentName_ == name) {
    return current_->SubjectPublicKeyInfo();
  }
  auto const found = Look(provider, name);
  return found.State == KeyState::Alive ? ReadPublicKey(*functions_, found.Key->Get()) : PublicKey{};
}

/// A key in the place of one that is dead or absent, with the mutex held.
NCryptObject PersistedKeyProvider::MakeAnother(
    NCryptObject const& provider, std::wstring const& name, Found found) const {
  if (found.State == KeyState::Dead) {
    Note(LogLevel::Warning, "key.stale", "it answered " + StatusText(found.Why));
  }
  if (found.Key) {
    NoteGone(found.Key->Get());
    found.Key->Delete();
  }
  if (auto key = Create(provider, name, KeepIt)) {
    return Finish(std::move(*key));
  }
  // Taken all the same: by a key that can be neither opened nor deleted, or by that of a process that knows nothing of
  // the mutex.
  found = Look(provider, name);
  return found.State == KeyState::Alive ? std::move(*found.Key)
                                        : Finish(*Create(provider, name, NCRYPT_OVERWRITE_KEY_FLAG));
}

MutexAttempt PersistedKeyProvider::Hold(std::wstring const& name, milliseconds wait, Context const& context) const {
  auto mutex = HoldMutex(mutexes_, MutexOf(tier_, name), wait, context);
  if (!mutex.Held) {
    Note(LogLevel::Warning, "key.busy", mutex.WhyNot);
  }
  return mutex;
}

/// A key that neither signs nor says that it is dead, and one that lives and is not what this tier gives, are errors: they
/// are somebody's, and stay as they are.
Found PersistedKeyProvider::Look(NCryptObject const& provider, std::wstring const& name) const {
  NCRYPT_KEY_HANDLE handle = 0;
  auto status = functions_->OpenKey(provider.Get(), &handle, name.c_str());
  if (IsAbsent(status)) {
    return {KeyState::Absent, std::nullopt};
  }
  if (IsStale(status)) {
    return {KeyState::Dead, std::nullopt, status};
  }
  if (status == NTE_NOT_SUPPORTED || IsVbsUnavailable(status)) {
    throw Unavailable(tier_, "Keys cannot be opened by their names", status);
  }
  if (status != 0) {
    throw Unusable(tier_, name, "cannot be opened", status);
  }
  NCryptObject key{functions_, handle};
  try {
    status = ProbeSigning(*functions_, handle);
    if (IsDead(handle, name, status)) {
      return {KeyState::Dead, std::move(key), status};
    }
  } catch (Error const& error) {
    throw NameIsTaken(tier_, name, error.Details().What);
  }
  if (status != 0) {
    throw Unusable(tier_, name, "does not sign", status);
  }
  auto const isolation = tier_.MustBeIsolated ? ProbeIsolation(*functions_, handle) : 0;
  if (IsUnisolated(isolation)) {
    throw NameIsTaken(tier_, name, "It is not isolated (status " + StatusText(isolation) + ")");
  }
  if (isolation != 0) {
    throw Unusable(tier_, name, "does not say whether it is isolated", isolation);
  }
  return {KeyState::Alive, std::move(key)};
}

/// Only a KeyGuard key's end is known without its saying so: the next boot. Of keys under other names than this library's
/// own, it has to be known that they are KeyGuard keys at all.
bool PersistedKeyProvider::IsDead(NCRYPT_KEY_HANDLE key, std::wstring const& name, SECURITY_STATUS status) const {
  return IsStale(status) ||
         (tier_.MustBeIsolated && IsDeadKeyGuardKey(*functions_, key, status, name == tier_.KeyName));
}

void PersistedKeyProvider::NoteGone(NCRYPT_KEY_HANDLE key) const {
  try {
    aftermath_.Gone.push_back(ReadPublicKey(*functions_, key));
  } catch (Error const& error) {
    Note(LogLevel::Debug, "key.gone_without_public_key", error.what());
  }
}

void PersistedKeyProvider::Note(LogLevel level, char const* event, std::string why) const {
  aftermath_.Lines.push_back({level, event, std::move(why)});
}

/// A key that is there and not yet known to be what it was to be: for `Finish`. None where the name is taken and
/// `ifItExists` says to keep what has it.
std::optional<NCryptObject> PersistedKeyProvider::Create(
    NCryptObject const& provider, std::wstring const& name, DWORD ifItExists) const {
  NCRYPT_KEY_HANDLE handle = 0;
  auto status = functions_->CreatePersistedKey(
      provider.Get(), &handle, BCRYPT_RSA_ALGORITHM, name.c_str(), tier_.CreationFlags | ifItExists);
  if (status == NTE_EXISTS && ifItExists == KeepIt) {
    return std::nullopt;
  }
  if (status != 0) {
    throw Unavailable(tier_, "No key could be made", status);
  }
  NCryptObject key{functions_, handle};
  status = SetUp(*functions_, handle);
  // Somebody was quicker between the two calls.
  if (status == NTE_EXISTS && ifItExists == KeepIt) {
    return std::nullopt;
  }
  if (status != 0) {
    throw Unavailable(tier_, "No key could be finished", status);
  }
  return key;
}

/// A new key, if it is what it was to be.
NCryptObject PersistedKeyProvider::Finish(NCryptObject key) const {
  if (!IsTrustworthy(key.Get())) {
    key.Delete();
    // As good as a refusal: nothing here isolates keys.
    throw TierUnavailable{
        Unavailable(tier_, "Windows made a key that is not isolated where an isolated one was asked", 0),
        Lasts::ForGood};
  }
  if (!DoesSign(*functions_, key.Get())) {
    key.Delete();
    throw Unavailable(tier_, "A new key does not sign", 0);
  }
  return key;
}

bool PersistedKeyProvider::IsTrustworthy(NCRYPT_KEY_HANDLE key) const {
  return !tier_.MustBeIsolated || IsIsolated(*functions_, key);
}

/// Keys with a name that nobody else knows, deleted when they are let go: SChannel cannot sign with a key that has none.
class TransientKeyProvider final : public KeyProvider {
 public:
  explicit TransientKeyProvider(std::shared_ptr<KeyFunctions> functions) : functions_(std::move(functions)) {}

  KeyStrength HighestStrength() const noexcept override { return KeyStrength::Software; }

  gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(
      KeyRequest const& request, Context const& context) override {
    if (request.MinimumStrength > KeyStrength::Software) {
      ThrowTooWeak(request.MinimumStrength, KeyStrength::Software);
    }
    context.ThrowIfEnded("Making the binding key");
    static constexpr Tier tier{KeyStrength::Software, MS_KEY_STORAGE_PROVIDER, L"", 0, false};
    auto const provider = OpenProvider(functions_, tier);
    NCRYPT_KEY_HANDLE handle = 0;
    auto const name = WidenName("mtlspop-" + NewUuid());
    auto status = functions_->CreatePersistedKey(provider.Get(), &handle, BCRYPT_RSA_ALGORITHM, name.c_str(), 0);
    if (status != 0) {
      throw Unavailable(tier, "No key could be made", status);
    }
    NCryptObject key{functions_, handle};
    status = SetUp(*functions_, handle);
    if (status != 0) {
      throw Unavailable(tier, "No key could be finished", status);
    }
    return MakeTransientBindingKey(std::move(key), KeyStrength::Software);
  }

 private:
  std::shared_ptr<KeyFunctions> functions_;
};

}  // namespace

gsl::not_null<std::shared_ptr<KeyProvider>> MakeKeyGuardKeyProvider(
    std::shared_ptr<KeyFunctions> functions,
    KeyIsGone keyIsGone,
    Logger log,
    std::string const& usualName,
    std::shared_ptr<MutexFunctions> mutexes) {
  return std::shared_ptr<KeyProvider>{std::make_shared<PersistedKeyProvider>(
      KeyGuardTier, std::move(functions), std::move(mutexes), std::move(keyIsGone), std::move(log), usualName)};
}

gsl::not_null<std::shared_ptr<KeyProvider>> MakeTpmKeyProvider(
    std::shared_ptr<KeyFunctions> functions,
    KeyIsGone keyIsGone,
    Logger log,
    std::string const& usualName,
    std::shared_ptr<MutexFunctions> mutexes) {
  return std::shared_ptr<KeyProvider>{std::make_shared<PersistedKeyProvider>(
      TpmTier, std::move(functions), std::move(mutexes), std::move(keyIsGone), std::move(log), usualName)};
}

gsl::not_null<std::shared_ptr<KeyProvider>> MakeSoftwareKeyProvider(std::shared_ptr<KeyFunctions> functions) {
  return std::shared_ptr<KeyProvider>{std::make_shared<TransientKeyProvider>(std::move(functions))};
}

gsl::not_null<std::shared_ptr<KeyProvider>> MakeKeyGuardKeyProvider(Logger log) {
  return MakeKeyGuardKeyProvider(SystemKeys(), PurgeFromPersonalStore(log), log, ConfiguredName());
}

gsl::not_null<std::shared_ptr<KeyProvider>> MakeTpmKeyProvider(Logger log) {
  return MakeTpmKeyProvider(SystemKeys(), PurgeFromPersonalStore(log), log, ConfiguredName());
}

}  // namespace mtlspop::windows

namespace mtlspop {

gsl::not_null<std::shared_ptr<KeyProvider>> MakeSoftwareKeyProvider() {
  return windows::MakeSoftwareKeyProvider(windows::SystemKeys());
}

}  // namespace mtlspop
