#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <utility>
#include <vector>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/url.hpp"

namespace mtlspop {

/// What is known of one origin: of one whose scopes nobody gave, and of one that takes no bound tokens.
class LearnedOrigin final {
 public:
  /// The turn to ask, given back when it goes. Null where nobody has to ask any more.
  using Turn = std::unique_ptr<LearnedOrigin, void (*)(LearnedOrigin*)>;

  /// Null until the origin has said what it wants.
  std::shared_ptr<TokenRequest const> Get() const { return std::atomic_load(&request_); }
  void Set(std::shared_ptr<TokenRequest const> request) { std::atomic_store(&request_, std::move(request)); }

  /// Lets one caller ask the origin while the others wait for what it learns. Does not wait where the origin answers
  /// without authorization.
  /// @throw Error `cancelled` or `deadline_exceeded`
  Turn TakeTurnToAsk(Context const& context);

  /// The origin answered a request that carried no token.
  void SetOpen() noexcept;

  /// The origin refused a bound token, and a bearer token could be had instead.
  void SetTakesOnlyBearer() noexcept { takesOnlyBearer_ = true; }
  bool TakesOnlyBearer() const noexcept { return takesOnlyBearer_; }

 private:
  void EndTurn() noexcept;

  std::mutex mutex_;
  std::condition_variable turnEnded_;
  bool isAsked_ = false;
  std::atomic<bool> open_{false};
  std::atomic<bool> takesOnlyBearer_{false};
  std::shared_ptr<TokenRequest const> request_;
};

/// The origins that one policy has met, at most `MaximumOrigins`.
///
/// Thread safety: all members may be called from any thread at any time.
class LearnedScopes final {
 public:
  static constexpr std::size_t MaximumOrigins = 256;

  /// What is known of `origin`; an empty entry, kept, for one not met before.
  std::shared_ptr<LearnedOrigin> Of(Origin const& origin);

 private:
  using Entry = std::pair<Origin, std::shared_ptr<LearnedOrigin>>;
  std::shared_ptr<LearnedOrigin> Find(Origin const& origin) const;

  mutable std::shared_mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace mtlspop
