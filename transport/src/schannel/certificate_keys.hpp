#pragma once

/// @file
/// The private keys that this library itself can attach to a certificate context, over a table of functions.

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "mtlspop/transport/schannel.hpp"
#include "schannel/certificate_functions.hpp"

namespace mtlspop::schannel {

/// As the function of schannel.hpp, over a table of functions.
void AttachNCryptKey(CertificateFunctions& functions, PCCERT_CONTEXT context, NCRYPT_KEY_HANDLE key);

/// A CNG key that is freed exactly once.
class NCryptCertificateKey final : public CertificateKey {
 public:
  NCryptCertificateKey(std::shared_ptr<CertificateFunctions> functions, NCRYPT_KEY_HANDLE key) noexcept
      : functions_(std::move(functions)), key_(key) {}
  ~NCryptCertificateKey() override;

  void AttachTo(PCCERT_CONTEXT context) const override { AttachNCryptKey(*functions_, context, key_); }
  std::vector<std::uint8_t> PublicKeyBlob() const override;
  NCRYPT_KEY_HANDLE Handle() const noexcept { return key_; }

 private:
  std::shared_ptr<CertificateFunctions> functions_;
  NCRYPT_KEY_HANDLE key_;
};

/// The key of a certificate that came from a store or from the caller with the key attached.
class StoredCertificateKey final : public CertificateKey {
 public:
  /// Duplicates `context`.
  StoredCertificateKey(std::shared_ptr<CertificateFunctions> functions, PCCERT_CONTEXT context)
      : functions_(std::move(functions)), context_(functions_->DuplicateCertificate(context)) {}
  ~StoredCertificateKey() override { functions_->FreeCertificate(context_); }

  void AttachTo(PCCERT_CONTEXT context) const override;
  std::vector<std::uint8_t> PublicKeyBlob() const override;
  /// Whether Windows can open the key, without asking anybody for a PIN.
  bool CanBeOpened() const;

 private:
  bool AttachProviderInfo(PCCERT_CONTEXT context) const;

  std::shared_ptr<CertificateFunctions> functions_;
  PCCERT_CONTEXT context_;
};

/// A key in a CryptoAPI container.
class ContainerCertificateKey final : public CertificateKey {
 public:
  ContainerCertificateKey(std::shared_ptr<CertificateFunctions> functions, KeyContainer container) noexcept
      : functions_(std::move(functions)), container_(std::move(container)) {}

  void AttachTo(PCCERT_CONTEXT context) const override;
  std::vector<std::uint8_t> PublicKeyBlob() const override;

 private:
  std::shared_ptr<CertificateFunctions> functions_;
  KeyContainer container_;
};

/// The public key of a certificate as `CertificateKey::PublicKeyBlob()` gives it; empty where it cannot be read.
std::vector<std::uint8_t> PublicKeyBlobOf(CERT_PUBLIC_KEY_INFO const& info);

/// As the function of schannel.hpp, over a table of functions.
CertificateContextPtr MakeCertificateContext(CertificateFunctions& functions, BindingCertificate const& certificate);

}  // namespace mtlspop::schannel
