#pragma once

/// @file
/// Named keys that outlive the process: KeyGuard's and the TPM's.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "key_providers.hpp"
#include "key_tier.hpp"
#include "turn.hpp"

namespace mtlspop::windows {

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
      EventSink observer,
      std::string const& usualName)
      : tier_(tier),
        functions_(std::move(functions)),
        mutexes_(std::move(mutexes)),
        keyIsGone_(std::move(keyIsGone)),
        observer_(std::move(observer)),
        usualName_(usualName.empty() ? tier.KeyName : WidenName(usualName)) {}

  KeyStrength HighestStrength() const noexcept override;
  gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(
      KeyRequest const& request, Context const& context) override;

 private:
  using PublicKey = std::vector<std::uint8_t>;

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
      Severity Level;
      char const* Event;
      std::string Why;
    };
    std::vector<PublicKey> Gone;
    std::vector<Line> Lines;
  };

  template <class Work>
  auto InTurn(Context const& context, Work work) const;
  void Tell(Aftermath const& aftermath) const noexcept;
  KeyStrength Highest() const;
  std::shared_ptr<BindingKey const> Get(
      KeyRequest const& request, std::chrono::milliseconds wait, Context const& context) const;
  NCryptObject OpenOrCreate(
      NCryptObject const& provider,
      std::wstring const& name,
      std::chrono::milliseconds wait,
      Context const& context) const;
  NCryptObject Replace(
      NCryptObject const& provider,
      std::wstring const& name,
      PublicKey const& refused,
      std::chrono::milliseconds wait,
      Context const& context) const;
  PublicKey RefusedKey(NCryptObject const& provider, std::wstring const& name, KeyRequest const& request) const;
  NCryptObject MakeAnother(NCryptObject const& provider, std::wstring const& name, Found found) const;
  MutexAttempt Hold(std::wstring const& name, std::chrono::milliseconds wait, Context const& context) const;
  Found Look(NCryptObject const& provider, std::wstring const& name) const;
  std::optional<NCryptObject> Create(NCryptObject const& provider, std::wstring const& name, DWORD ifItExists) const;
  NCryptObject Finish(NCryptObject key) const;
  bool IsTrustworthy(NCRYPT_KEY_HANDLE key) const;
  bool IsDead(NCRYPT_KEY_HANDLE key, std::wstring const& name, SECURITY_STATUS status) const;
  void NoteGone(NCRYPT_KEY_HANDLE key) const;
  void Note(Severity level, char const* event, std::string why) const;

  Tier const& tier_;
  std::shared_ptr<KeyFunctions> functions_;
  std::shared_ptr<MutexFunctions> mutexes_;
  KeyIsGone keyIsGone_;
  EventSink observer_;
  /// The name of the key where a request names none, and the one that is looked for before there is a request.
  std::wstring usualName_;

  /// Keeps two threads from making the key at once. What follows is for the thread that has its turn.
  mutable Turns turns_;
  mutable Aftermath aftermath_;
  mutable std::wstring currentName_;
  mutable std::shared_ptr<BindingKey const> current_;
  mutable std::optional<KeyStrength> highest_;
};

}  // namespace mtlspop::windows
