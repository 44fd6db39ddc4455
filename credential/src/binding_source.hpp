#pragma once

/// @file
/// The current binding of a managed identity.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gsl/pointers>

#include "attestation_cache.hpp"
#include "binding_life.hpp"
#include "flight.hpp"
#include "imds_client.hpp"
#include "mtlspop/base/per_process.hpp"
#include "mtlspop/credential/binding_store.hpp"
#include "mtlspop/credential/key_provider.hpp"
#include "renewal_schedule.hpp"

namespace mtlspop {

/// Keeps one binding, makes the next one ahead of need, and makes one at a time.
///
/// Thread safety: all members may be called from any thread. `RotationIsDue` takes no lock.
class BindingSource final {
 public:
  using TimePoint = std::chrono::system_clock::time_point;

  struct Options {
    gsl::not_null<std::shared_ptr<KeyProvider>> Keys;
    /// Null where the key is not attested.
    std::shared_ptr<AttestationCache> Attestation;
    gsl::not_null<std::shared_ptr<BindingStore>> Store;
    /// Of the binding in the store.
    std::string StoreName;
    KeyStrength MinimumStrength = KeyStrength::None;
    /// "" for the provider's own.
    std::string KeyName;
    gsl::not_null<std::shared_ptr<Clock>> Time;
    RandomNumbers Random;
    EventSink Observer;
  };
  /// Borrows `life`, which says whether the binding that was made last is still the current one.
  BindingSource(Options options, ImdsClient imds, BindingLife& life);

  /// A binding that lives. `context` is that of the work, not of a caller who may leave.
  /// @throw Error what keys, attestation and IMDS throw; `issued_certificate_rejected`
  std::shared_ptr<StoredBinding const> Get(std::string const& correlationId, Context const& context);

  /// Whether the next binding should be made now. Says yes to one caller, who then calls `Rotate` or `GiveUpRotation`,
  /// and again only when that has ended; after failures as `RenewalRetryDelay` has it.
  bool RotationIsDue(TimePoint now);
  /// The next binding could not be had, and is not asked for again before `notBefore`, if that is given.
  void GiveUpRotation(TimePoint now, std::optional<TimePoint> notBefore = std::nullopt) noexcept;
  /// Makes the next binding while the current one stays in use.
  /// @throw Error as `Get`
  void Rotate(std::string const& correlationId, Context const& context);

  /// Throws the errors that are known before anything is sent.
  /// @throw Error `minimum_strength_not_available`, `key_unavailable`, `attestation_failed`
  void CheckKeys(Context const& context) const;

 private:
  using Binding = std::shared_ptr<StoredBinding const>;
  enum class Purpose { Use, Rotation };

  Binding JoinOrMake(Purpose purpose, std::string const& correlationId, Context const& context);
  Binding LoadOrIssue(std::string const& correlationId, Context const& context);
  /// Null where it cannot be had: what is done under it is then done without.
  /// @throw Error `cancelled`, `deadline_exceeded`
  std::unique_ptr<BindingStore::Lock> AcquireStore(Context const& context) const;
  Binding Load(std::string const& unwanted, Context const& context);
  /// For those who wait: a step that is no request. `correlationId` is "" where nothing can have been sent under it.
  void Report(char const* what, std::string const& correlationId) const;
  void Remove(std::string const& x5tS256);
  /// Where version 2 is known to be there.
  Binding Issue(std::string const& correlationId, Context const& context);
  Binding IssueForUsedKey(
      std::shared_ptr<BindingKey const> const& key, std::string const& correlationId, Context const& context);
  Binding IssueFor(
      std::shared_ptr<BindingKey const> key,
      PlatformMetadata const& metadata,
      std::string const& correlationId,
      Context const& context);
  std::shared_ptr<BindingKey const> ReusableKey();
  KeyRequest NextKey();
  void Save(StoredBinding const& binding);
  /// Takes it into use, and plans its rotation; false where the one before was refused since `moment`.
  bool Adopt(Binding const& binding, std::uint64_t moment, TimePoint began);
  /// The binding that was made last, null where it is not the current one any more.
  Binding Current() const;
  bool IsUsable(StoredBinding const& binding, TimePoint now) const;

  struct State {
    /// A child of fork() goes on with its parent's binding, unless that was being replaced just then. What its parent is
    /// being issued comes there and not here.
    explicit State(State* parents);

    std::mutex Mutex;
    /// The one that was made last. Where it is not the current one any more, the next one has a new key.
    Binding Last;
    std::shared_ptr<Flight<Binding>> UnderWay;
    /// Ticks of the system clock, after failures.
    std::atomic<std::chrono::system_clock::rep> NextTryOn{0};
    int FailedRotations = 0;
    std::atomic<bool> IsRotating{false};
  };

  Options options_;
  ImdsClient imds_;
  BindingLife& life_;
  PerProcess<State> state_;
  /// Ticks of the system clock; the largest number where there is no binding. Looked at by every call, so not in a
  /// `State`.
  std::atomic<std::chrono::system_clock::rep> rotateOn_;
};

}  // namespace mtlspop
