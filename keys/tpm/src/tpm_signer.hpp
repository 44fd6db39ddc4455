#pragma once

/// @file
/// A key of a TPM as a signer.

#include <atomic>
#include <memory>
#include <vector>

#include "mtlspop/transport/signer.hpp"
#include "tpm_device.hpp"

namespace mtlspop::tpm {

/// Thread safety: as a signer.
class TpmSigner final : public openssl::Signer {
 public:
  /// @throw Error `key_unavailable` for keys that sign nothing, or of another kind
  TpmSigner(std::shared_ptr<Device> device, KeyMaterial material);

  std::vector<std::uint8_t> const& SubjectPublicKeyInfo() const noexcept override { return publicKey_; }
  std::vector<openssl::SignatureAlgorithm> Algorithms() const override { return algorithms_; }
  std::vector<std::uint8_t> Sign(openssl::SignatureRequest const& request, Context const& context) const override;

 private:
  std::shared_ptr<Device> const device_;
  KeyMaterial const material_;
  std::vector<std::uint8_t> const publicKey_;
  std::vector<openssl::SignatureAlgorithm> const algorithms_;
  /// Whether the TPM has taken the authorization once.
  mutable std::atomic<bool> wasAccepted_{false};
};

/// SubjectPublicKeyInfo of a key of a TPM.
/// @throw Error `key_unavailable`
std::vector<std::uint8_t> EncodePublicKey(TPMT_PUBLIC const& key);

}  // namespace mtlspop::tpm
