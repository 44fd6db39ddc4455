#include "../crypto.hpp"

#include <ctime>
#include <limits>
#include <new>

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "mtlspop/base/openssl/error_queue.hpp"
#include "mtlspop/base/saturated_time.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "ossl.hpp"

namespace mtlspop::crypto {
namespace {

std::optional<std::chrono::system_clock::time_point> ToTimePoint(ASN1_TIME const* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return ToSaturatedTime(timegm(&parts));
}

bool AllowsClientAuthentication(X509* certificate) {
  // X509_get_key_usage says UINT32_MAX, that is everything, where the extension is absent; likewise the other one.
  if ((X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE) == 0) return false;
  return (X509_get_extended_key_usage(certificate) & (XKU_SSL_CLIENT | XKU_ANYEKU)) != 0;
}

std::optional<CertificateFacts> Decode(ByteView der) {
  ERR_clear_error();
  auto const clear = gsl::finally([] { ERR_clear_error(); });
  auto const* position = der.data();
  openssl::X509Ptr const certificate{d2i_X509(nullptr, &position, static_cast<long>(der.size()))};
  if (!certificate) openssl::RequireMemory();
  if (!certificate || position != der.data() + der.size()) return std::nullopt;

  CertificateFacts facts;
  auto const notBefore = ToTimePoint(X509_get0_notBefore(certificate.get()));
  auto const notAfter = ToTimePoint(X509_get0_notAfter(certificate.get()));
  std::uint8_t* publicKey = nullptr;
  int const length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.get()), &publicKey);
  auto const release = gsl::finally([&publicKey] { OPENSSL_free(publicKey); });
  if (!notBefore || !notAfter || length <= 0) return std::nullopt;
  facts.SubjectPublicKeyInfo.assign(publicKey, publicKey + length);
  facts.NotBefore = *notBefore;
  facts.NotAfter = *notAfter;
  facts.AllowsClientAuthentication = AllowsClientAuthentication(certificate.get());
  if (!facts.AllowsClientAuthentication) {
    // An extension that could not be read for want of memory counts as one that forbids it, and is not read again.
    openssl::X509Ptr const again{X509_dup(certificate.get())};
    if (!again) throw std::bad_alloc{};
    facts.AllowsClientAuthentication = AllowsClientAuthentication(again.get());
  }
  return facts;
}

}  // namespace

std::array<std::uint8_t, 32> Sha256(ByteView data) {
  ERR_clear_error();
  std::array<std::uint8_t, 32> digest{};
  unsigned int length = 0;
  if (EVP_Digest(data.data(), data.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1) {
    throw ossl::Failure(errors::SystemFailure, "SHA-256 could not be computed");
  }
  return digest;
}

void FillRandom(gsl::span<std::uint8_t> buffer) {
  ERR_clear_error();
  if (RAND_bytes(buffer.data(), static_cast<int>(buffer.size())) != 1) {
    throw ossl::Failure(errors::SystemFailure, "The random generator gave nothing");
  }
}

std::optional<CertificateFacts> ReadCertificate(ByteView der) {
  if (auto facts = Decode(der)) return facts;
  // OpenSSL does not always say that it was memory that failed it: then another look finds what the first did not.
  if (Decode(der)) throw std::bad_alloc{};
  return std::nullopt;
}

bool VerifyPssSha256(ByteView subjectPublicKeyInfo, ByteView data, ByteView signature) {
  ERR_clear_error();
  auto const clear = gsl::finally([] { ERR_clear_error(); });
  auto const* position = subjectPublicKeyInfo.data();
  openssl::EvpPkeyPtr const key{d2i_PUBKEY(nullptr, &position, static_cast<long>(subjectPublicKeyInfo.size()))};
  if (!key) openssl::RequireMemory();
  if (!key) return false;
  openssl::EvpMdCtxPtr const digest{EVP_MD_CTX_new()};
  EVP_PKEY_CTX* options = nullptr;
  bool const isGood = digest && EVP_DigestVerifyInit(digest.get(), &options, EVP_sha256(), nullptr, key.get()) == 1 &&
                      EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
                      EVP_PKEY_CTX_set_rsa_pss_saltlen(options, 32) == 1 &&
                      EVP_DigestVerify(digest.get(), signature.data(), signature.size(), data.data(), data.size()) == 1;
  if (!isGood) openssl::RequireMemory();
  return isGood;
}

namespace {

/// Whether a signer says of its key that it does not pad so. Of other keys only a signature tells.
bool CannotPad(EVP_PKEY const* key, RsaPadding padding) {
  auto const able = openssl::ClientSignatureAlgorithms(key);
  return !able.empty() && able.find(padding == RsaPadding::Pss ? "rsa_pss_" : "rsa_pkcs1_") == std::string::npos;
}

}  // namespace

void SignWithin(Context const& context, std::function<void()> const& action) {
  openssl::SigningContext const signing{context};
  action();
}

std::optional<Bytes> SignSha256(BindingCertificate const& certificate, ByteView data, RsaPadding padding) {
  ERR_clear_error();
  auto const clear = gsl::finally([] { ERR_clear_error(); });
  auto const key = openssl::GetPrivateKey(certificate.Key());
  openssl::EvpMdCtxPtr const digest{EVP_MD_CTX_new()};
  EVP_PKEY_CTX* options = nullptr;
  std::size_t length = 0;
  bool const isPss = padding == RsaPadding::Pss;
  if (EVP_PKEY_is_a(key, "RSA") != 1 || CannotPad(key, padding) || !digest ||
      EVP_DigestSignInit(digest.get(), &options, EVP_sha256(), nullptr, key) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(options, isPss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) != 1 ||
      (isPss && EVP_PKEY_CTX_set_rsa_pss_saltlen(options, 32) != 1) ||
      EVP_DigestSign(digest.get(), nullptr, &length, data.data(), data.size()) != 1) {
    openssl::RequireMemory();
    return std::nullopt;
  }
  Bytes signature(length);
  openssl::TakeSigningFailure();  // of somebody who did not ask
  if (EVP_DigestSign(digest.get(), signature.data(), &length, data.data(), data.size()) != 1) {
    openssl::ThrowSigningFailure(Error{
        {errors::PrivateKeyUnusable,
         "The private key of the client certificate " + certificate.Sha1Thumbprint() + " did not sign",
         "What its signer failed with is nested in this error"}});
    openssl::RequireMemory();
    return std::nullopt;
  }
  signature.resize(length);
  return signature;
}

gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeBindingCertificate(
    std::vector<BindingCertificate::Der> chain,
    gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> key,
    KeyStrength strength) {
  return openssl::MakeBindingCertificate(std::move(chain), std::move(key), strength);
}

std::vector<std::shared_ptr<KeyProvider>> PlatformKeyProviders() { return {MakeSoftwareKeyProvider()}; }

std::shared_ptr<AttestationProvider> PlatformAttestationProvider() { return nullptr; }

}  // namespace mtlspop::crypto
