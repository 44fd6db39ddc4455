#include "persisted_key_provider.hpp"

#include <algorithm>
#include <utility>

#include <bcrypt.h>

#include <gsl/util>

#include "friendly_name.hpp"
#include "mtlspop/base/windows/wide_text.hpp"
#include "mtlspop/credential/errors.hpp"
#include "status.hpp"

namespace mtlspop::windows {
namespace {

using std::chrono::milliseconds;

/// How long a request waits for another process that makes or replaces the key: a TPM takes seconds for one.
constexpr milliseconds LongestWait{10'000};
/// And the question what this machine can do, which has to be quick.
constexpr milliseconds LongestWaitOfProbe{2'000};
/// Instead of NCRYPT_OVERWRITE_KEY_FLAG.
constexpr DWORD KeepIt = 0;

/// Names the mutex that keeps those apart who make, replace or delete one key. Windows does not tell 'a' from 'A' in the
/// names of keys.
std::string MutexOf(Tier const& tier, std::wstring const& name) {
  auto text = NarrowAscii(tier.Provider) + "|" + NarrowAscii(name);
  std::transform(text.begin(), text.end(), text.begin(), [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  });
  return "key-" + BindingTag(text);
}

}  // namespace

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
      observer_.Tell(line.Level, line.Event, {{"tier", ToString(tier_.Strength)}, {"what", line.Why}});
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
    observer_.Tell(
        Severity::Info, "key.tier_unavailable", {{"tier", ToString(tier_.Strength)}, {"what", error.what()}});
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
  auto const name = request.Name.empty() ? usualName_ : WidenName(request.Name);
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
  Note(Severity::Info, "key.replaced", "it was refused");
  return Finish(std::move(key));
}

/// The key that is not to be had again: the one that the request names, or the one that was handed out last, or, where
/// nobody knows, the one that is there before others are waited for. Empty where there is none.
PersistedKeyProvider::PublicKey PersistedKeyProvider::RefusedKey(
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
    Note(Severity::Warning, "key.stale", "it answered " + StatusText(found.Why));
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
    Note(Severity::Warning, "key.busy", mutex.WhyNot);
  }
  return mutex;
}

/// A key that neither signs nor says that it is dead, and one that lives and is not what this tier gives, are errors: they
/// are somebody's, and stay as they are.
PersistedKeyProvider::Found PersistedKeyProvider::Look(NCryptObject const& provider, std::wstring const& name) const {
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
    Note(Severity::Debug, "key.gone_without_public_key", error.what());
  }
}

void PersistedKeyProvider::Note(Severity level, char const* event, std::string why) const {
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

}  // namespace mtlspop::windows
