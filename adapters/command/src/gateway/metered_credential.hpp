#pragma once

/// @file
/// A credential that counts.

#include <memory>
#include <string>

#include "gateway/metrics.hpp"
#include "mtlspop/credential/token_credential.hpp"

namespace mtlspop::gateway {

/// Thread safety: as every credential.
class MeteredCredential final : public TokenCredential {
 public:
  MeteredCredential(std::shared_ptr<TokenCredential> below, std::string identity, std::shared_ptr<Metrics> metrics);

  AccessToken GetToken(TokenRequest const& request, Context const& context) override;
  std::optional<AccessToken> TryGetToken(TokenRequest const& request) override;
  void GetTokenAsync(TokenRequest const& request, Context const& context, Completion<AccessToken> done) override;
  void ReportRefusal(TokenRequest const& request, AccessToken const& refused, RefusalReason reason) noexcept override;
  std::string_view Name() const noexcept override { return below_->Name(); }

 private:
  std::shared_ptr<TokenCredential> const below_;
  std::string const identity_;
  std::shared_ptr<Metrics> const metrics_;
};

}  // namespace mtlspop::gateway
