#pragma once

/// @file
/// A signer over a key in memory: what a device does, with every way in which devices differ.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <openssl/evp.h>

#include "mtlspop/transport/signer.hpp"

namespace mtlspop::test {

/// Thread safety: as a signer; the members are set before it is used.
class SoftwareSigner final : public openssl::Signer {
 public:
  using Algorithm = openssl::SignatureAlgorithm;

  SoftwareSigner(std::shared_ptr<EVP_PKEY> key, std::vector<Algorithm> algorithms, bool signsData = false);

  std::vector<std::uint8_t> const& SubjectPublicKeyInfo() const noexcept override { return publicKey_; }
  std::vector<Algorithm> Algorithms() const override { return algorithms_; }
  bool SignsData() const noexcept override { return signsData_; }
  std::vector<std::uint8_t> Sign(openssl::SignatureRequest const& request, Context const& context) const override;

  /// Called before each signature; what it throws is what the signer throws.
  std::function<void(openssl::SignatureRequest const&, Context const&)> BeforeEach;
  /// What signatures were asked for, as they came.
  std::vector<Algorithm> Asked() const;

 private:
  std::vector<std::uint8_t> SignWithKey(openssl::SignatureRequest const& request) const;

  std::shared_ptr<EVP_PKEY> key_;
  std::vector<Algorithm> algorithms_;
  bool signsData_;
  std::vector<std::uint8_t> publicKey_;
  mutable std::mutex mutex_;
  mutable std::vector<Algorithm> asked_;
};

}  // namespace mtlspop::test
