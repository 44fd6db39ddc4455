#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "mtlspop/base/pending_wait.hpp"
#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/policies/resource_memory.hpp"
#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/outcome.hpp"
#include "refused_tokens.hpp"

namespace mtlspop {

/// So many in so much time, counted from the first.
class RateLimit final {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  /// Whether the time of the last ones is over, so that the next one that is taken is a first.
  bool IsOver(TimePoint now) const noexcept { return taken_ == 0 || now >= end_; }
  /// The next ones are counted from here on, until `end`.
  void Begin(TimePoint end) noexcept {
    end_ = end;
    taken_ = 0;
  }
  bool Take(int most) noexcept;

 private:
  int taken_ = 0;
  TimePoint end_{};
};

/// Why an answer would have another token requested.
enum class ExtraToken { ForClaims, InsteadOfRejected, ForAnotherScopeOrTenant };

/// What is known of one origin.
///
/// Thread safety: all members may be called from any thread at any time.
class KnownResource final {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  /// The turn to ask, given back when it goes.
  using Turn = std::unique_ptr<KnownResource, void (*)(KnownResource*)>;
  static Turn NoTurn() noexcept {
    return {nullptr, [](KnownResource*) {}};
  }

  explicit KnownResource(std::shared_ptr<ResourceMemoryOptions const> options) noexcept
      : options_(std::move(options)) {}

  /// Null until the origin has said what it wants.
  std::shared_ptr<TokenRequest const> Wanted() const;
  void SetWanted(std::shared_ptr<TokenRequest const> wanted);

  /// The origin answered a request that carried no token.
  void SetOpen() noexcept;
  bool IsOpen() const noexcept;

  /// The turn to ask the origin what it wants; none where another call has it.
  Turn TryTakeTurn();
  /// Returns when nobody asks any more, or nobody has to.
  /// @throw Error `cancelled` or `deadline_exceeded`
  void WaitForTurn(Context const& context);
  /// The same without a thread that waits. `done` keeps this alive.
  /// @throw Error `system_failure` where no thread can be had for the deadline, std::bad_alloc; `done` is not called then
  void WaitForTurnAsync(Context const& context, Completion<void> done);

  /// The origin refused a bound token, and took a bearer token.
  void SetTakesOnlyBearer(TimePoint now);
  bool TakesOnlyBearer(TimePoint now) const noexcept;
  /// The origin refused a bearer token because it was one.
  void SetTakesOnlyBound(TimePoint now);
  bool TakesOnlyBound(TimePoint now) const noexcept;
  /// The origin took a bound token.
  void NoteBoundSuccess() noexcept;

  /// The origin refused this token, and may have another one asked for it by a later call.
  void NoteRefused(AccessToken const& token);
  bool HasRefused(AccessToken const& token) const noexcept;

  /// Whether one more token may be requested for this reason because this origin says so.
  bool TakeExtraToken(ExtraToken reason, TimePoint now);

 private:
  void EndTurn() noexcept;
  bool IsTurnFree() const noexcept { return isOpen_ || !isAsked_; }
  void WakeThoseWhoWait(std::unique_lock<std::mutex> lock) noexcept;
  TimePoint EndOfLife(TimePoint now) const;

  std::shared_ptr<ResourceMemoryOptions const> options_;
  mutable std::mutex mutex_;
  std::condition_variable turnEnded_;
  PendingWaits pending_;
  bool isAsked_ = false;
  bool isOpen_ = false;
  std::shared_ptr<TokenRequest const> wanted_;
  TimePoint bearerOnlyUntil_ = TimePoint::min();
  TimePoint boundOnlyUntil_ = TimePoint::min();
  RefusedTokens refused_;
  RateLimit extraTokens_[3];
};

}  // namespace mtlspop
