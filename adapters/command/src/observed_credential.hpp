#pragma once

/// @file
/// A credential that remembers what it gave.

#include <memory>
#include <mutex>
#include <optional>

#include "mtlspop/credential/token_credential.hpp"

namespace mtlspop::command {

/// Thread safety: as every credential.
class ObservedCredential final : public TokenCredential {
 public:
  explicit ObservedCredential(std::shared_ptr<TokenCredential> below) : below_(std::move(below)) {}

  AccessToken GetToken(TokenRequest const& request, Context const& context) override {
    auto token = below_->GetToken(request, context);
    std::lock_guard<std::mutex> const lock{mutex_};
    last_ = token;
    return token;
  }
  void ReportRefusal(TokenRequest const& request, AccessToken const& refused, RefusalReason reason) noexcept override {
    below_->ReportRefusal(request, refused, reason);
  }
  std::string_view Name() const noexcept override { return below_->Name(); }

  /// None where it gave none yet.
  std::optional<AccessToken> Last() const {
    std::lock_guard<std::mutex> const lock{mutex_};
    return last_;
  }

 private:
  std::shared_ptr<TokenCredential> below_;
  mutable std::mutex mutex_;
  std::optional<AccessToken> last_;
};

}  // namespace mtlspop::command
