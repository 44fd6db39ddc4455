#pragma once

/// @file
/// A credential that counts.

#include <memory>
#include <string>

#include "gateway/credential_over.hpp"
#include "gateway/metrics.hpp"

namespace mtlspop::gateway {

/// Thread safety: as every credential.
class MeteredCredential final : public CredentialOver {
 public:
  MeteredCredential(std::shared_ptr<TokenCredential> below, std::string identity, std::shared_ptr<Metrics> metrics);

  AccessToken GetToken(TokenRequest const& request, Context const& context) override;
  std::optional<AccessToken> TryGetToken(TokenRequest const& request) override;
  void GetTokenAsync(TokenRequest const& request, Context const& context, Completion<AccessToken> done) override;

 private:
  std::string const identity_;
  std::shared_ptr<Metrics> const metrics_;
};

}  // namespace mtlspop::gateway
