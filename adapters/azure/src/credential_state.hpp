#pragma once

#include <atomic>
#include <memory>

#include "mtlspop/azure/bound_token_credential.hpp"
#include "mtlspop/policies/resource_memory.hpp"
#include "token_handles.hpp"

namespace mtlspop::azure {

/// What a credential shares with the policies of its clients.
class BoundTokenCredential::State final {
 public:
  explicit State(BoundTokenCredentialOptions options);

  BoundTokenCredentialOptions const Options;
  std::shared_ptr<TokenHandles> const Handles = std::make_shared<TokenHandles>();
  std::shared_ptr<ResourceMemory> const Memory;
  /// Whether `UseTokenBinding` was ever called with the credential.
  std::atomic<bool> IsInUse{false};
};

/// What `UseTokenBinding` takes out of a credential.
class TokenBindingAccess final {
 public:
  static BoundTokenCredential::State& StateOf(BoundTokenCredential const& credential) noexcept {
    return *credential.state_;
  }
};

}  // namespace mtlspop::azure
