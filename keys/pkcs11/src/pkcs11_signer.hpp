#pragma once

/// @file
/// A key of a token as a signer.

#include <memory>
#include <vector>

#include "mtlspop/transport/signer.hpp"
#include "objects.hpp"
#include "token.hpp"

namespace mtlspop::pkcs11 {

/// Thread safety: as a signer.
class Pkcs11Signer final : public openssl::Signer {
 public:
  /// Asks the token which mechanisms it has.
  /// @throw Error `key_unavailable` for keys that may not sign
  Pkcs11Signer(std::shared_ptr<Token> token, KeyFacts key, Context const& context);

  Bytes const& SubjectPublicKeyInfo() const noexcept override { return key_.PublicKey; }
  std::vector<openssl::SignatureAlgorithm> Algorithms() const override { return algorithms_; }
  Bytes Sign(openssl::SignatureRequest const& request, Context const& context) const override;

 private:
  Bytes SignInSession(Session const& session, openssl::SignatureRequest const& request, Context const& context) const;

  std::shared_ptr<Token> const token_;
  KeyFacts const key_;
  std::uint64_t const number_;
  std::vector<openssl::SignatureAlgorithm> algorithms_;
};

}  // namespace mtlspop::pkcs11
