#pragma once

/// @file
/// Tokens with their bindings, ready to be given out.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/credential/access_token.hpp"
#include "mtlspop/credential/token_credential.hpp"
#include "published.hpp"
#include "renewal_schedule.hpp"

namespace mtlspop {

/// By which road a token comes.
enum class TokenRoute {
  /// Bound, over mutual TLS.
  Bound,
  /// Bearer, over mutual TLS.
  MtlsBearer,
  /// Bearer, from IMDS v1.
  ImdsBearer,
  /// Bearer, because a bound one was preferred and could not be had.
  Fallback,
};

/// What the cache knows of a token that was asked for.
enum class Freshness {
  /// There is none that could be used.
  None,
  /// Give it out.
  Fresh,
  /// Give it out and get a new one meanwhile. Said to one caller only, and again after a while.
  RefreshDue,
  /// Too close to its end: get a new one first, and give this one out only if that fails.
  Stale,
  /// The same, and a new one could not be had a moment ago.
  StaleAndTried,
};

/// The tokens of one credential, by tenant, scopes and route. A token is never without the binding it is bound to.
///
/// `Find` takes no lock and allocates nothing. Each group of threads (see published.hpp) has copies of its own, whose
/// reference counts no other group touches.
///
/// Thread safety: all members may be called from any thread.
class TokenCache final {
 public:
  using TimePoint = AccessToken::TimePoint;

  explicit TokenCache(RandomNumbers random);

  /// Looks the token up and copies it to `token`, unless the answer is `None`.
  Freshness Find(TokenRequest const& request, TokenRoute route, TimePoint now, AccessToken& token) const;

  /// Puts a token that was obtained at `now` in the place of the one before it. Expired ones go.
  void Put(TokenRequest const& request, TokenRoute route, AccessToken const& token, TimePoint now);
  /// Forgets a token.
  void Remove(TokenRequest const& request, TokenRoute route);
  /// Forgets this token, whatever it was asked for with.
  void DropToken(Secret const& token);
  /// Says that a new token could not be had, so that the old one is given out for a while without trying: as long as
  /// `RenewalRetryDelay` has it, and until `notBefore`, where that is given.
  void NoteFailedRefresh(
      TokenRequest const& request, TokenRoute route, TimePoint now, std::optional<TimePoint> notBefore = std::nullopt);

  /// Forgets all tokens bound to this `x5t#S256`, or those of one tenant (as requests name it).
  void DropBinding(std::string_view x5tS256, std::optional<std::string_view> tenantId = std::nullopt);
  /// Makes all tokens bound to other `x5t#S256` than this one due for a refresh.
  void PreferBinding(std::string_view x5tS256, TimePoint now);
  /// Whether a token is bound to this `x5t#S256`.
  bool Holds(std::string_view x5tS256) const;

 private:
  struct Entry;
  using Entries = std::vector<std::shared_ptr<Entry const>>;

  static Entry const* FindEntry(
      Entries const& entries, TokenRequest const& request, TokenRoute route, std::size_t hash);
  void Publish(Entries entries);

  struct Writing {
    /// What the parent of a child of fork() writes is published there or not at all.
    explicit Writing(Writing*) {}
    std::mutex Mutex;
  };

  RandomNumbers random_;
  PerProcess<Writing> writing_;
  /// By hash.
  Published<Entries> entries_;
};

}  // namespace mtlspop
