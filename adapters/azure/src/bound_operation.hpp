#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <azure/core/context.hpp>
#include <azure/core/http/policies/policy.hpp>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/policies/bound_call.hpp"
#include "mtlspop/transport/clock.hpp"
#include "token_handles.hpp"

namespace mtlspop::azure {

/// A credential of this library, as one client uses it.
struct BoundSource {
  std::shared_ptr<mtlspop::TokenCredential> Credential;
  std::shared_ptr<TokenHandles> Handles;
  std::shared_ptr<BoundCallSettings const> Settings;
  std::shared_ptr<Clock> Time;
  /// As `BoundTokenCredentialOptions::RefusesOtherTokens`.
  bool RefusesOtherTokens = false;
};

using BoundSources = std::vector<BoundSource>;

/// Adds those of `more` whose credentials are not among `sources`.
void AddSources(BoundSources& sources, BoundSources const& more);

/// One call of a client's method, with all requests that Azure's retry and authentication policies make of it: those start
/// again below themselves and know nothing of each other, so what was done once is remembered here.
///
/// Thread safety: one thread at a time, as the call itself.
class BoundOperation final {
 public:
  explicit BoundOperation(BoundSources const& sources) : sources_(sources) {}

  /// The one that `context` belongs to, null for none.
  static std::shared_ptr<BoundOperation> Of(Azure::Core::Context const& context);
  static Azure::Core::Context With(Azure::Core::Context const& context, std::shared_ptr<BoundOperation> operation);

  /// Knows these credentials too from now on: another policy of the same pipeline was made with them.
  void Join(BoundSources const& sources) { AddSources(sources_, sources); }

  /// Azure's policies ask for another token than the one that was answered 401.
  void WantAnother() noexcept { isAnotherWanted_ = true; }
  bool TakeAnotherWanted() noexcept { return std::exchange(isAnotherWanted_, false); }

  BoundSource const* FindByHandle(std::string const& handle) const;
  bool Knows(TokenHandles const& handles) const;

  /// What this call remembers of its requests with tokens of `source`, to this origin.
  BoundCall& CallFor(
      BoundSource const& source, Azure::Core::Http::Request const& request, Azure::Core::Context const& context);

 private:
  struct Entry {
    TokenHandles const* Source;
    std::string Origin;
    std::unique_ptr<BoundCall> Call;
  };

  BoundSources sources_;
  bool isAnotherWanted_ = false;
  std::vector<Entry> calls_;
};

/// Puts a `BoundOperation` into the context of each call, for the policies below and for the credential.
///
/// Thread safety: one policy serves many requests at once.
class BoundOperationPolicy final : public Azure::Core::Http::Policies::HttpPolicy {
 public:
  explicit BoundOperationPolicy(std::shared_ptr<BoundSources const> sources) noexcept : sources_(std::move(sources)) {}

  std::unique_ptr<Azure::Core::Http::RawResponse> Send(
      Azure::Core::Http::Request& request,
      Azure::Core::Http::Policies::NextHttpPolicy nextPolicy,
      Azure::Core::Context const& context) const override;

  std::unique_ptr<HttpPolicy> Clone() const override { return std::make_unique<BoundOperationPolicy>(sources_); }

 private:
  std::shared_ptr<BoundSources const> sources_;
};

}  // namespace mtlspop::azure
