#pragma once

/// @file
/// What the gateway's credentials over other credentials have in common.

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "mtlspop/credential/token_credential.hpp"

namespace mtlspop::gateway {

/// Asks another one, and hands on what is not overridden. `GetTokenAsync` is each one's own business.
///
/// Thread safety: as every credential.
class CredentialOver : public TokenCredential {
 public:
  AccessToken GetToken(TokenRequest const& request, Context const& context) override {
    return below_->GetToken(request, context);
  }
  std::optional<AccessToken> TryGetToken(TokenRequest const& request) override { return below_->TryGetToken(request); }
  void GetTokenAsync(TokenRequest const& request, Context const& context, Completion<AccessToken> done) override = 0;
  void ReportRefusal(TokenRequest const& request, AccessToken const& refused, RefusalReason reason) noexcept final {
    below_->ReportRefusal(request, refused, reason);
  }
  std::string_view Name() const noexcept final { return below_->Name(); }

 protected:
  explicit CredentialOver(std::shared_ptr<TokenCredential> below) : below_(std::move(below)) {}
  TokenCredential& Below() const noexcept { return *below_; }

 private:
  std::shared_ptr<TokenCredential> const below_;
};

}  // namespace mtlspop::gateway
