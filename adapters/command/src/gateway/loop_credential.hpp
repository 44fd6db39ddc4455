#pragma once

/// @file
/// A credential whose completions run on the gateway's loops.

#include <memory>

#include "gateway/credential_over.hpp"
#include "mtlspop/transport/executor.hpp"

namespace mtlspop::gateway {

/// A token that others had to be asked for comes on a thread of the library. What goes on with it is begun on a loop again, where the
/// request is waited for then.
///
/// Thread safety: as every credential.
class LoopCredential final : public CredentialOver {
 public:
  LoopCredential(std::shared_ptr<TokenCredential> below, Executor loops);

  void GetTokenAsync(TokenRequest const& request, Context const& context, Completion<AccessToken> done) override;

 private:
  Executor const loops_;
};

}  // namespace mtlspop::gateway
