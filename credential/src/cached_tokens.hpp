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
#include <vector>

#include <gsl/pointers>

#include "flight.hpp"
#include "mtlspop/base/per_process.hpp"
#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/log.hpp"
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
  /// Is told that no token in the cache is bound to this `x5t#S256` any more, once that was asked for.
  using OnUnused = std::function<void(std::string const& x5tS256)>;

  CachedTokens(
      std::string_view owner, gsl::not_null<std::shared_ptr<Clock>> clock, Logger log, Fetch fetch, OnUnused onUnused);

  /// @throw Error what `Fetch` throws; `cancelled` and `deadline_exceeded` when `context` ends
  AccessToken Get(TokenRequest const& request, TokenRoute route, Context const& context);
  /// Looks into the cache alone and refreshes in the background what is due. False where there is none fit to be used.
  bool TryGet(TokenRequest const& request, TokenRoute route, AccessToken& token);
  /// Forgets a token.
  void Remove(TokenRequest const& request, TokenRoute route) { cache_.Remove(request, route); }
  /// The token was refused: forgets it, wherever it stands.
  void Refuse(Secret const& token) { cache_.DropToken(token); }

  /// The binding was refused: forgets its tokens, and keeps none that comes later.
  void Reject(std::string const& x5tS256);
  bool IsRejected(std::string_view x5tS256) const;
  /// A tenant refused the binding, and the credential gets another one: forgets that tenant's tokens. Others keep theirs
  /// until they are refreshed, and `OnUnused` is called when the last one has gone.
  void Withdraw(std::string const& tenantId, std::string const& x5tS256);
  /// Whoever makes the binding knows that it was refused, and uses it again: tokens bound to it are kept from now on.
  void Readmit(std::string const& x5tS256);
  /// Forgets the tokens of a binding, and has its connections closed. It may be used again.
  void Forget(std::string const& x5tS256);
  /// The credential has a new binding: tokens bound to others are refreshed in the background, and `OnUnused` is called
  /// for `retired` when the last one has gone.
  void Renew(std::string const& x5tS256, std::string const& retired);

  /// Runs something in the background, for no longer than a fetch may take.
  /// @throw std::system_error where no thread can be had
  void RunInBackground(Worker::Job job);

 private:
  using TokenFlight = Flight<AccessToken>;

  struct State {
    /// A child of fork() knows what its parent knew of bindings, unless that was being changed just then. What is under
    /// way in the parent ends there.
    explicit State(State* parents);

    std::mutex Mutex;
    std::map<std::string, std::shared_ptr<TokenFlight>> Flights;
    /// The last few.
    std::vector<std::string> Rejected;
    /// Replaced, but tokens in the cache are still bound to them.
    std::vector<std::string> Retiring;
  };

  void StartRefresh(TokenRequest const& request, TokenRoute route);
  AccessToken GetInsteadOf(AccessToken stale, TokenRequest const& request, TokenRoute route, Context const& context);
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
  void Keep(TokenRequest const& request, TokenRoute route, AccessToken const& token);
  AccessToken FetchUsable(TokenRequest const& request, TokenRoute route, bool isRefresh, Context const& context);
  void Land(std::string const& key, std::shared_ptr<TokenFlight> const& flight);
  void ReportUnused();

  std::string owner_;
  std::shared_ptr<Clock> ownedClock_;
  /// The same: looking at a `not_null<shared_ptr>` counts a reference, and all threads would count in one place.
  Clock* clock_;
  Logger log_;
  Fetch fetch_;
  OnUnused onUnused_;
  TokenCache cache_;

  PerProcess<State> state_;

  /// Last, so that it ends first: jobs use all of the above.
  Worker worker_;
};

}  // namespace mtlspop
