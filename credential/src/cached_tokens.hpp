#pragma once

/// @file
/// Tokens from the cache, and one request for each that is not there.

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include <gsl/pointers>

#include "binding_life.hpp"
#include "flight.hpp"
#include "mtlspop/base/per_process.hpp"
#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/observer.hpp"
#include "token_cache.hpp"
#include "worker.hpp"

namespace mtlspop {

/// Gives out tokens: from the cache where it can, else by `Fetch`, which runs once for any number of callers and on a
/// thread that is none of theirs.
///
/// Thread safety: all members may be called from any thread.
class CachedTokens final {
 public:
  /// Gets a token from the service. `isRefresh` says that nobody waits for it.
  /// @throw Error
  using Fetch =
      std::function<AccessToken(TokenRequest const& request, TokenRoute route, bool isRefresh, Context const& context)>;

  /// Borrows `cache` and `life`.
  CachedTokens(
      gsl::not_null<std::shared_ptr<Clock>> clock,
      EventSink observer,
      TokenCache& cache,
      BindingLife& life,
      Fetch fetch);

  /// @throw Error what `Fetch` throws; `cancelled` and `deadline_exceeded` when `context` ends
  AccessToken Get(TokenRequest const& request, TokenRoute route, Context const& context);
  /// As `Get`, without waiting for it: `done` gets what `Get` returns or throws, on `DefaultExecutor()`.
  /// @throw what cannot be told that way, where nothing was begun; `done` is not called then
  void GetAsync(TokenRequest const& request, TokenRoute route, Context const& context, Completion<AccessToken> done);
  /// Whether `Get` would return at once, with this token; what is due is refreshed in the background.
  bool IsAtHand(TokenRequest const& request, TokenRoute route, AccessToken& token);
  /// Looks into the cache alone and refreshes in the background what is due. False where there is none fit to be used.
  bool TryGet(TokenRequest const& request, TokenRoute route, AccessToken& token);
  /// Forgets a token.
  void Remove(TokenRequest const& request, TokenRoute route) { cache_.Remove(request, route); }

  /// Runs something in the background, for no longer than a fetch may take.
  /// @throw std::system_error where no thread can be had
  void RunInBackground(Worker::Job job);

 private:
  using TokenFlight = Flight<AccessToken>;

  struct State {
    /// What is under way in the parent of a child of fork() ends there.
    explicit State(State*) {}

    std::mutex Mutex;
    std::map<std::string, std::shared_ptr<TokenFlight>> Flights;
  };

  void StartRefresh(TokenRequest const& request, TokenRoute route);
  enum class Found { Good, Stale, Nothing };
  /// What there is without waiting; what is due is refreshed in the background.
  Found Look(TokenRequest const& request, TokenRoute route, AccessToken& token);
  /// What came, or, where that is a failure and the stale one lives still, that one.
  AccessToken NewOrStale(
      Outcome<AccessToken> outcome, TokenRequest const& request, TokenRoute route, Context const& context);
  AccessToken StaleOrRethrow(Error const& error, TokenRequest const& request, TokenRoute route, Context const& context);
  std::shared_ptr<TokenFlight> FindFlight(TokenRequest const& request, TokenRoute route) const;
  std::shared_ptr<TokenFlight> JoinFlight(TokenRequest const& request, TokenRoute route, bool isRefresh);
  /// Whether a flight ended between a caller's look into the cache and its wish to join.
  bool HasLanded(TokenRequest const& request, TokenRoute route, AccessToken& token) const;
  void Fly(
      std::string const& key,
      TokenRequest const& request,
      TokenRoute route,
      bool isRefresh,
      std::shared_ptr<TokenFlight> const& flight,
      Context const& context);
  void TellObtained(AccessToken const& token, TokenRequest const& request, Clock::SteadyTime begun) const;
  void TellFailed(ErrorDetails const& details, TokenRequest const& request, bool isRefresh) const noexcept;
  AccessToken FetchUsable(TokenRequest const& request, TokenRoute route, bool isRefresh, Context const& context);
  void Land(std::string const& key, std::shared_ptr<TokenFlight> const& flight);

  std::shared_ptr<Clock> ownedClock_;
  /// The same: looking at a `not_null<shared_ptr>` counts a reference, and all threads would count in one place.
  Clock* clock_;
  EventSink observer_;
  Fetch fetch_;
  TokenCache& cache_;
  BindingLife& life_;

  PerProcess<State> state_;

  /// Last, so that it ends first: jobs use all of the above.
  Worker worker_;
};

}  // namespace mtlspop
