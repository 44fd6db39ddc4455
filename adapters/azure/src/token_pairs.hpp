#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/transport/clock.hpp"

namespace mtlspop::azure {

/// A token as the credential returned it, with its binding, and what it was asked for with.
struct TokenPair {
  AccessToken Token;
  TokenRequest Request;
};

/// Which binding belongs to which token, for the tokens that pipelines of the Azure SDK hold as bare texts.
///
/// A pair stays until its token has expired: no pipeline uses it any longer then. Pairs are bounded in number all the same;
/// the one that expires first goes first, and a pipeline that still holds its token fails closed.
///
/// Thread safety: all members may be called from any thread at any time.
class TokenPairs final {
 public:
  static constexpr std::size_t MaximumPairs = 4096;
  static constexpr std::size_t MaximumHosts = 256;

  explicit TokenPairs(std::shared_ptr<Clock> time) : time_(std::move(time)) {}

  /// Remembers a bound token.
  void Remember(AccessToken const& token, TokenRequest const& request);
  /// Requests that come with `old` are sent with `replacement`: the resource has refused `old`, and pipelines hold on to it.
  void Replace(std::string_view old, AccessToken const& replacement);
  /// What a request with this token is to be sent with; null for a token that is none of ours.
  std::shared_ptr<TokenPair const> Find(std::string_view token) const;
  std::size_t Size() const;

  /// The host refused a bound token, and a bearer token could be had instead. At most `MaximumHosts` are kept.
  void RememberBearerOnly(std::string const& host);
  bool TakesOnlyBearer(std::string const& host) const;

 private:
  struct Entry {
    AccessToken Original;
    std::shared_ptr<TokenPair const> Current;
  };
  void MakeRoom();

  std::shared_ptr<Clock> time_;
  mutable std::shared_mutex mutex_;
  /// Keyed by the text of `Entry::Original`, which keeps it alive.
  std::unordered_map<std::string_view, Entry> entries_;
  std::set<std::string> bearerOnly_;
  /// Spares everybody else the lock.
  std::atomic<bool> knowsBearerOnly_{false};
};

/// Whether the text is a JWT that is bound to a certificate (RFC 8705 section 3.1); false for anything else. By this a token
/// is known for a bound one when its pair is gone, so no other is handed out.
bool IsBoundToken(std::string_view token);

}  // namespace mtlspop::azure
