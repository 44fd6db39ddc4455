#include <algorithm>
#include <array>
#include <ctime>
#include <new>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/openssl/error_queue.hpp"
#include "mtlspop/base/openssl/owners.hpp"
#include "mtlspop/base/saturated_time.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "mtlspop/transport/required.hpp"
#include "openssl/certificate_rules.hpp"
#include "openssl/certificate_text.hpp"

namespace mtlspop::openssl {
namespace {

class OpenSslKeyHandle final : public PrivateKeyHandle {
 public:
  explicit OpenSslKeyHandle(EvpPkeyPtr key) noexcept : key_(std::move(key)) {}
  EVP_PKEY* Key() const noexcept { return key_.get(); }

 private:
  EvpPkeyPtr key_;
};

/// @throw std::bad_alloc where OpenSSL failed for want of memory: that is nobody's fault
[[noreturn]] void Refuse(std::string what, std::string action) {
  RequireMemory();
  ErrorDetails details{errors::InvalidBindingCertificate, std::move(what), std::move(action)};
  details.NothingSent = true;
  throw Error{std::move(details)};
}

X509Ptr ParseCertificate(BindingCertificate::Der const& der) {
  auto const* position = der.data();
  X509Ptr certificate{d2i_X509(nullptr, &position, static_cast<long>(der.size()))};
  if (!certificate || position != der.data() + der.size()) {
    Refuse(
        "A certificate of the chain is not a DER-encoded X.509 certificate", "Check where the certificate came from");
  }
  return certificate;
}

std::string Digest(BindingCertificate::Der const& der, EVP_MD const* algorithm, std::size_t length) {
  std::string digest(length, '\0');
  if (EVP_Digest(
          der.data(), der.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr, algorithm, nullptr) != 1) {
    RequireMemory();
    ErrorDetails details{
        errors::SystemFailure, "A digest over the certificate could not be computed",
        "Check the process's memory, and that OpenSSL's default provider can be loaded"};
    details.NothingSent = true;
    throw Error{std::move(details)};
  }
  return digest;
}

BindingCertificate::TimePoint ToTimePoint(ASN1_TIME const* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) {
    Refuse("The validity of the certificate cannot be read", "Check where the certificate came from");
  }
  return ToSaturatedTime(timegm(&parts));
}

std::string SubjectOf(X509* certificate) {
  if (auto text = NameText(X509_get_subject_name(certificate))) return std::move(*text);
  Refuse("The subject of the certificate cannot be read", "Check where the certificate came from");
}

/// RFC 5280 sections 4.2.1.3 and 4.2.1.12: an extension that is there must allow what the certificate is for.
void CheckUsage(X509* certificate) {
  if ((X509_get_extension_flags(certificate) & EXFLAG_INVALID) != 0) {
    X509Ptr const again{X509_dup(certificate)};
    // What could not be read for want of memory can be read in a copy.
    if (!again || (X509_get_extension_flags(again.get()) & EXFLAG_INVALID) == 0) throw std::bad_alloc{};
    Refuse("The certificate holds an extension that cannot be read", "Check where the certificate came from");
  }
  if (IsAuthorityOfOthers(certificate)) {
    Refuse(
        "The first certificate is one of an authority, which signs other certificates",
        "Pass the leaf certificate first, then the ones above it");
  }
  if ((X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE) == 0) {
    Refuse(
        "The certificate's key usage does not allow digital signatures",
        "Use a certificate whose key usage, where it has one, holds digitalSignature");
  }
  if ((X509_get_extended_key_usage(certificate) & (XKU_SSL_CLIENT | XKU_ANYEKU)) == 0) {
    Refuse(
        "The certificate's extended key usage does not allow TLS client authentication",
        "Use a certificate whose extended key usage, where it has one, holds clientAuth");
  }
}

}  // namespace

gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> WrapPrivateKey(EVP_PKEY* key) {
  EVP_PKEY_up_ref(Required(key, "The key for WrapPrivateKey"));
  EvpPkeyPtr owned{key};
  return std::shared_ptr<PrivateKeyHandle const>{std::make_shared<OpenSslKeyHandle>(std::move(owned))};
}

gsl::not_null<EVP_PKEY*> GetPrivateKey(PrivateKeyHandle const& handle) {
  auto const* own = dynamic_cast<OpenSslKeyHandle const*>(&handle);
  if (own == nullptr) {
    Refuse(
        "The private key of the binding certificate is not one that OpenSSL can use",
        "Make the handle with mtlspop::openssl::WrapPrivateKey");
  }
  return own->Key();
}

gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeBindingCertificate(
    std::vector<BindingCertificate::Der> chain, std::shared_ptr<PrivateKeyHandle const> key, KeyStrength strength) {
  Required(key, "The private key of the binding certificate");
  ERR_clear_error();
  if (chain.empty()) {
    Refuse("There is no certificate", "Pass the leaf certificate first, then the ones above it");
  }
  for (auto const& above : chain) {
    ParseCertificate(above);
  }
  auto const leaf = ParseCertificate(chain.front());
  CheckUsage(leaf.get());
  if (X509_check_private_key(leaf.get(), GetPrivateKey(*key)) != 1) {
    // Where memory is short OpenSSL says the same.
    auto const again = ParseCertificate(chain.front());
    if (X509_check_private_key(again.get(), GetPrivateKey(*key)) == 1) throw std::bad_alloc{};
    Refuse(
        "The private key does not belong to the leaf certificate",
        "Check that the leaf comes first, and that key and certificate are of the same generation");
  }

  BindingCertificate::Parts parts;
  auto const sha256 = Digest(chain.front(), EVP_sha256(), 32);
  parts.X5tS256 = encoding::ToBase64Url(encoding::AsBytes(sha256));
  parts.Sha256Thumbprint = encoding::ToHex(encoding::AsBytes(sha256));
  parts.Sha1Thumbprint = encoding::ToHex(encoding::AsBytes(Digest(chain.front(), EVP_sha1(), 20)));
  parts.Subject = SubjectOf(leaf.get());
  parts.NotBefore = ToTimePoint(X509_get0_notBefore(leaf.get()));
  parts.NotAfter = ToTimePoint(X509_get0_notAfter(leaf.get()));
  parts.Chain = std::move(chain);
  parts.Key = std::move(key);
  parts.Strength = strength;
  return std::shared_ptr<BindingCertificate const>{std::make_shared<BindingCertificate>(std::move(parts))};
}

gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeBindingCertificateFromPem(
    std::string_view certificates, std::shared_ptr<PrivateKeyHandle const> key, KeyStrength strength) {
  BioPtr const certificateText{BIO_new_mem_buf(certificates.data(), static_cast<int>(certificates.size()))};
  std::vector<BindingCertificate::Der> chain;
  while (X509Ptr const certificate{PEM_read_bio_X509(certificateText.get(), nullptr, nullptr, nullptr)}) {
    BindingCertificate::Der der(static_cast<std::size_t>(i2d_X509(certificate.get(), nullptr)));
    auto* out = der.data();
    i2d_X509(certificate.get(), &out);
    chain.push_back(std::move(der));
  }
  ERR_clear_error();
  return MakeBindingCertificate(std::move(chain), std::move(key), strength);
}

gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeBindingCertificateFromPem(
    std::string_view certificates, std::string_view privateKey) {
  // A null password callback would ask on the terminal.
  auto const noPassword = [](char*, int, int, void*) { return -1; };
  BioPtr const keyText{BIO_new_mem_buf(privateKey.data(), static_cast<int>(privateKey.size()))};
  EvpPkeyPtr const key{PEM_read_bio_PrivateKey(keyText.get(), nullptr, noPassword, nullptr)};
  if (!key) {
    Refuse(
        "The PEM text holds no private key that can be read without a password",
        "Give a PRIVATE KEY block; for an encrypted one use a PKCS#12 file and its password");
  }
  return MakeBindingCertificateFromPem(certificates, WrapPrivateKey(key.get()), KeyStrength::Software);
}

}  // namespace mtlspop::openssl
