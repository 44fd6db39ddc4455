#pragma once

/// @file
/// The life of a credential's bindings: which one it gives out, which are on their way out, which were refused. What
/// becomes of a binding, of the tokens bound to it and of its connections is decided here and nowhere else.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/base/random_numbers.hpp"
#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/observer.hpp"
#include "token_cache.hpp"

namespace mtlspop {

/// Where a binding stands.
enum class BindingState {
  /// The credential gives it out. So stands one binding at the most.
  Current,
  /// The credential gave it out before, and tokens in the cache are still bound to it.
  Superseded,
  /// Those to whom it was shown do not take it. No token bound to it is given out.
  Refused,
  /// Nothing is left of it; so stands every binding that was never heard of, too.
  Gone,
};

/// What happens to a binding.
enum class BindingEvent {
  /// The credential gives it out from now on.
  Adopted,
  /// The credential gives another one out from now on.
  Replaced,
  /// It was refused, by somebody whose word is good for all.
  Refused,
  /// The token service refused it for one tenant.
  RefusedForTenant,
  /// A token that is bound to it has come, to be cached.
  TokenCame,
  /// No token in the cache is bound to it any more.
  LastTokenLeft,
};

/// Where a credential has its bindings from.
enum class BindingSupply {
  /// Another one is made where one was refused.
  Renewable,
  /// Nobody makes another one, as with an application's own certificate: it stays, and what helps is another token.
  Fixed,
};

/// Which of the tokens bound to a binding are dropped.
enum class DroppedTokens { None, OfTheTenant, All };

/// What follows from an event.
struct BindingStep {
  BindingState Next;
  DroppedTokens Tokens = DroppedTokens::None;
  /// Whether the transport lets go of its connections and TLS sessions.
  bool DropsConnections = false;
};

/// The transition table.
BindingStep Follow(BindingState state, BindingEvent event, BindingSupply supply) noexcept;

/// Keeps the states of one credential's bindings, and does what follows: to the cache of tokens, and to the transport.
///
/// Nothing is held against a binding for good: one that is adopted again, because a file was rolled back or because there
/// is no other, is current like any other.
///
/// Replacing a binding costs a key, a certificate of a service that throttles, and every token that was bound to it,
/// whomever the token is for. A resource that refuses each binding it is shown would have all others pay, so one refusal
/// of the current binding is believed and the next ones change nothing until `Interval` has passed, and up to a quarter of
/// it more, at random: a resource that refuses a whole fleet does so at one moment.
///
/// Thread safety: all members may be called from any thread. Giving out a cached token does not come here.
class BindingLife final {
 public:
  static constexpr std::chrono::minutes Interval{5};
  /// Requests that were under way when the binding was refused are refused about as late.
  static constexpr std::chrono::seconds Grace{10};
  /// So many tenants whose token service refuses each binding count for all others, but not for the identity's own.
  static constexpr std::size_t MostFutileTenants = 8;

  struct Options {
    BindingSupply Supply = BindingSupply::Renewable;
    Clock& Time;
    RandomNumbers Random;
    EventSink Observer;
    /// The transport's.
    std::function<void(std::string const& x5tS256)> DropConnections;
  };
  /// Borrows `cache`.
  BindingLife(Options options, TokenCache& cache) : options_(std::move(options)), cache_(cache) {}

  bool IsCurrent(std::string_view x5tS256) const;
  bool IsRefused(std::string_view x5tS256) const;

  /// Counts what happens to the current binding: to be asked before another one is made.
  std::uint64_t Moment() const;
  /// The credential gives this binding out from now on. Tokens bound to others are refreshed in the background.
  void Adopt(std::string const& x5tS256);
  /// The same for one that took time to be had. False, and nothing happens, where the current one was refused since then:
  /// this one may be no better. Where a newer one was adopted meanwhile, that one stays.
  bool AdoptUnlessRefusedSince(std::uint64_t moment, std::string const& x5tS256);

  /// Puts a token into the cache, unless its binding was refused.
  void Keep(TokenRequest const& request, TokenRoute route, AccessToken const& token);

  /// A token was refused by the one that it was shown to. True where the current binding has to be replaced for it.
  bool Hear(AccessToken const& refused, RefusalReason reason) noexcept;
  /// The token service refused a binding: for one tenant, as requests name it, or for whatever concerns all.
  void HearTokenService(std::string const& x5tS256, std::optional<std::string_view> tenantId);

  /// Whether the token service of this tenant ("" for the identity's own) refuses one binding like the other: for
  /// `Interval`, and up to a quarter more, what it refuses is not replaced for it. Others' bindings heal as ever, unless too many refuse.
  bool ReplacementIsFutile(std::string const& tenantId);
  /// The token service of this tenant refused a replaced binding as well.
  void NoteFutileReplacement(std::string const& tenantId);

 private:
  struct State {
    /// A child of fork() knows what its parent knew, unless that was changing just then.
    explicit State(State* parents);

    std::mutex Mutex;
    /// All but those that are gone, of which many are refused ones: the last few are remembered. Oldest first.
    std::vector<std::pair<std::string, BindingState>> Known;
    std::uint64_t Moment = 0;
    std::uint64_t LastRefusal = 0;
    std::uint64_t LastAdoption = 0;
    /// The last refusal by a resource that was believed.
    std::string RefusedByResource;
    std::optional<Clock::SteadyTime> RefusedOn;
    Clock::SteadyTime BelievesFrom = Clock::SteadyTime::min();
    std::map<std::string, Clock::SteadyTime> FutileUntil;
  };
  enum class Verdict {
    /// The credential has another binding already.
    NotCurrent,
    Believed,
    /// The same refusal, heard again from a request that was under way.
    UnderWay,
    /// The one before it was replaced for that reason a moment ago.
    TooSoon,
  };
  /// Whose connections are dropped once the lock has been let go of.
  using Drops = std::vector<std::string>;

  static BindingState StateOf(State const& state, std::string_view x5tS256) noexcept;
  static void SetState(State& state, std::string const& x5tS256, BindingState next);
  void Happen(
      State& state,
      std::string const& x5tS256,
      BindingEvent event,
      Drops& drops,
      std::optional<std::string_view> tenantId = std::nullopt);
  void AdoptLocked(State& state, std::string const& x5tS256, Drops& drops);
  void LetUnusedGo(State& state, Drops& drops);
  Verdict Judge(State& state, std::string const& x5tS256);
  Verdict HearResource(std::string const& x5tS256);
  void ForgetToken(Secret const& token);
  void Drop(Drops const& drops) const;

  Options options_;
  TokenCache& cache_;
  PerProcess<State> state_;
};

}  // namespace mtlspop
