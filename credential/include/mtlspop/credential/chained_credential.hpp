#pragma once

/// @file
/// Several credentials, one after the other.

#include <atomic>
#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include <gsl/pointers>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/export.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/observer.hpp"

namespace mtlspop {

/// Asks its credentials in turn and stays with the first one that gave a token. The request goes to each unchanged, so
/// that a binding that is required stays required.
///
/// Thread safety: all members may be called from any thread.
class MTLSPOP_EXPORT ChainedCredential final : public TokenCredential {
 public:
  /// The credentials, in the order in which they are asked.
  using Sources = std::vector<std::shared_ptr<TokenCredential>>;

  /// @throw Error `invalid_argument` for no credential at all, and for one that is null
  explicit ChainedCredential(Sources sources, EventSink observer = {});

  /// @throw Error `no_credential_worked` with the last failure nested; `cancelled` and `deadline_exceeded` at once
  AccessToken GetToken(TokenRequest const& request, Context const& context) override;
  std::optional<AccessToken> TryGetToken(TokenRequest const& request) override;
  void GetTokenAsync(TokenRequest const& request, Context const& context, Completion<AccessToken> done) override;
  /// Tells the one that gave it.
  void ReportRefusal(TokenRequest const& request, AccessToken const& refused, RefusalReason reason) noexcept override;
  std::string_view Name() const noexcept override { return "ChainedCredential"; }

 private:
  struct Attempt;
  AccessToken TryAll(TokenRequest const& request, Context const& context);
  void TryNext(std::shared_ptr<Attempt> const& attempt);
  void Choose(std::size_t index);
  /// Within a handler: the next one is asked, or the failure stands.
  void PassOverOrThrow(Error const& error, Attempt& attempt);

  /// Never null.
  std::vector<std::shared_ptr<TokenCredential>> sources_;
  EventSink observer_;
  /// The one that worked; `sources_.size()` while none has.
  std::atomic<std::size_t> chosen_;
};

}  // namespace mtlspop
