#pragma once

/// @file
/// A token that is there already. For tests.

#include <string_view>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/export.hpp"

namespace mtlspop {

/// Gives the same token each time, expired or not.
///
/// Thread safety: immutable.
class MTLSPOP_EXPORT StaticCredential final : public TokenCredential {
 public:
  /// @throw Error `invalid_argument` for a bound token without its binding, or a bearer token with one
  explicit StaticCredential(AccessToken token);

  /// @throw Error `token_type_mismatch` where a bound token is required and this one is a bearer token
  AccessToken GetToken(TokenRequest const& request, Context const& context) override;
  std::optional<AccessToken> TryGetToken(TokenRequest const& request) override;
  void GetTokenAsync(TokenRequest const& request, Context const& context, Completion<AccessToken> done) override;
  std::string_view Name() const noexcept override { return "StaticCredential"; }

 private:
  AccessToken token_;
};

}  // namespace mtlspop
