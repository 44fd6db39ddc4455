#pragma once

/// @file
/// A bound token that somebody else puts into a file: the first leg of a federated identity.

#include <functional>
#include <memory>
#include <string>

#include "mtlspop/credential/token_credential.hpp"

namespace mtlspop::command {

/// Reads the file anew for each token.
///
/// Thread safety: immutable.
class AssertionFile final : public TokenCredential {
 public:
  AssertionFile(std::string path, std::function<std::shared_ptr<BindingCertificate const>()> certificate)
      : path_(std::move(path)), certificate_(std::move(certificate)) {}

  /// @throw Error `read_failed`; `token_malformed`; `token_binding_mismatch` where it is bound to another certificate than
  /// the one that came with it, or to none
  AccessToken GetToken(TokenRequest const& request, Context const& context) override;
  std::string_view Name() const noexcept override { return "AssertionFile"; }

 private:
  std::string path_;
  std::function<std::shared_ptr<BindingCertificate const>()> certificate_;
};

}  // namespace mtlspop::command
