#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <azure/core/context.hpp>
#include <azure/core/http/policies/policy.hpp>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/log.hpp"
#include "token_pairs.hpp"

namespace mtlspop::azure {

/// A credential of this library, and the pairs of what it has handed out.
struct BoundSource {
  std::shared_ptr<mtlspop::TokenCredential> Credential;
  std::shared_ptr<TokenPairs> Pairs;
};

/// What the policies of a client need. Immutable.
struct BoundTokenSettings {
  std::vector<BoundSource> Sources;
  Azure::Core::Http::Policies::RetryOptions Retry;
  std::shared_ptr<Clock> Time;
  Logger Log;
};

/// Adds those of `more` that are not among `sources`.
void AddSources(std::vector<BoundSource>& sources, std::vector<BoundSource> const& more);

/// One call of a client's method, with all requests that Azure's retry and authentication policies make of it. It counts
/// what may be done once, or so and so often, per call: those policies start again below themselves, and know nothing of
/// each other.
///
/// Thread safety: one thread at a time, as the call itself.
class BoundOperation final {
 public:
  /// A token, and what knows it; null where nothing does.
  struct Held {
    std::shared_ptr<mtlspop::TokenCredential> Credential;
    std::shared_ptr<TokenPairs> Pairs;
    std::shared_ptr<TokenPair const> Pair;
  };

  explicit BoundOperation(std::shared_ptr<BoundTokenSettings const> settings);

  /// The one that `context` belongs to, null for none.
  static std::shared_ptr<BoundOperation> Of(Azure::Core::Context const& context);
  static Azure::Core::Context With(Azure::Core::Context const& context, std::shared_ptr<BoundOperation> operation);

  /// Knows the credentials of `settings` too from now on: another policy of the same pipeline was made with them.
  void Join(BoundTokenSettings const& settings) { AddSources(sources_, settings.Sources); }

  BoundTokenSettings const& Settings() const noexcept { return *settings_; }
  Held Find(std::string_view token) const;

  /// Which retry of a failed binding check comes next, from 1; 0 where there is none left.
  int TakeCheckRetry() noexcept;
  /// Whether a claims challenge may be answered: the first time.
  bool TakeClaimsAnswer() noexcept { return !std::exchange(claimsAnswered_, true); }
  /// Whether the binding may be replaced: the first time.
  bool TakeBindingReplacement() noexcept { return !std::exchange(bindingReplaced_, true); }

  /// The last 401 was for a request with this token; null for none, or one of somebody else.
  void NoteRefusal(std::shared_ptr<TokenPair const> pair) noexcept;
  bool WasRefused(AccessToken const& token) const;

 private:
  std::shared_ptr<BoundTokenSettings const> settings_;
  std::vector<BoundSource> sources_;
  int checkRetries_ = 0;
  bool claimsAnswered_ = false;
  bool bindingReplaced_ = false;
  std::shared_ptr<TokenPair const> refused_;
};

/// Puts a `BoundOperation` into the context of each call, for the policies below.
///
/// Thread safety: one policy serves many requests at once.
class BoundOperationPolicy final : public Azure::Core::Http::Policies::HttpPolicy {
 public:
  explicit BoundOperationPolicy(std::shared_ptr<BoundTokenSettings const> settings) noexcept
      : settings_(std::move(settings)) {}

  std::unique_ptr<Azure::Core::Http::RawResponse> Send(
      Azure::Core::Http::Request& request,
      Azure::Core::Http::Policies::NextHttpPolicy nextPolicy,
      Azure::Core::Context const& context) const override;

  std::unique_ptr<HttpPolicy> Clone() const override { return std::make_unique<BoundOperationPolicy>(settings_); }

 private:
  std::shared_ptr<BoundTokenSettings const> settings_;
};

}  // namespace mtlspop::azure
