#pragma once

/// @file
/// A credential whose certificate is replaced at the worst moment.

#include <atomic>
#include <limits>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::test {

/// Gives out one token, whose binding it has replaced behind the back of the requests that are about to be sent with it;
/// after `heldCalls` calls, by default never, the token of the new binding.
///
/// Thread safety: that of the credential inside.
class RotatingCredential final : public TokenCredential {
 public:
  RotatingCredential(
      std::shared_ptr<TokenCredential> inner,
      std::shared_ptr<HttpTransport> transport,
      int heldCalls = std::numeric_limits<int>::max())
      : inner_(std::move(inner)), transport_(std::move(transport)), heldCalls_(heldCalls) {}

  AccessToken GetToken(TokenRequest const& request, Context const& context) override {
    std::call_once(once_, [&] {
      held_ = inner_->GetToken(request, context);
      inner_->ReportRefusal(request, held_, RefusalReason::BindingNoLongerGood);
      static_cast<void>(inner_->GetToken(request, context));
      transport_->DropConnections(held_.Binding->X5tS256());
    });
    return heldCalls_-- > 0 ? held_ : inner_->GetToken(request, context);
  }

  std::string_view Name() const noexcept override { return "RotatingCredential"; }

 private:
  std::shared_ptr<TokenCredential> inner_;
  std::shared_ptr<HttpTransport> transport_;
  std::atomic<int> heldCalls_;
  std::once_flag once_;
  AccessToken held_;
};

}  // namespace mtlspop::test
