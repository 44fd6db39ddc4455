#include "gateway/certificate_builder.hpp"

#include <array>
#include <cstdint>

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::gateway {
namespace {

// 127 random bits, so that no two certificates of a run look alike (RFC 5280 section 4.1.2.2).
void SetSerialNumber(X509& certificate) {
  std::array<std::uint8_t, 16> bytes{};
  CheckOpenSsl(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1, "no random serial number");
  bytes[0] = static_cast<std::uint8_t>((bytes[0] & 0x3f) | 0x40);
  std::unique_ptr<BIGNUM, openssl::Deleter<&BN_free>> const number{
      BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr)};
  CheckOpenSsl(
      number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(&certificate)) != nullptr, "no serial number");
}

void SetTime(ASN1_TIME* field, std::chrono::system_clock::time_point time) {
  CheckOpenSsl(
      field != nullptr && ASN1_TIME_set(field, std::chrono::system_clock::to_time_t(time)) != nullptr, "no date");
}

}  // namespace

void CheckOpenSsl(bool isGood, char const* what) {
  if (isGood) return;
  std::array<char, 256> reason{};
  ERR_error_string_n(ERR_get_error(), reason.data(), reason.size());
  ERR_clear_error();
  throw Error{
      {errors::SystemFailure,
       std::string{"The gateway could not make a certificate: "} + what + " (" + reason.data() + ")",
       "See whether OpenSSL's configuration on this machine allows keys on P-256 and SHA-256"}};
}

openssl::EvpPkeyPtr MakeKey() {
  openssl::EvpPkeyPtr key{EVP_EC_gen("P-256")};
  CheckOpenSsl(key != nullptr, "no key");
  return key;
}

CertificateBuilder::CertificateBuilder(CertificatePlan const& plan, EVP_PKEY& subjectKey, X509* issuer)
    : certificate_(X509_new()), issuer_(issuer) {
  CheckOpenSsl(certificate_ != nullptr && X509_set_version(certificate_.get(), X509_VERSION_3) == 1, "no certificate");
  SetSerialNumber(*certificate_);
  SetTime(X509_getm_notBefore(certificate_.get()), plan.NotBefore);
  SetTime(X509_getm_notAfter(certificate_.get()), plan.NotAfter);

  auto* const subject = X509_get_subject_name(certificate_.get());
  // RFC 5280's upper bound; the alternative name is what counts.
  auto const commonName = plan.CommonName.substr(0, 64);
  CheckOpenSsl(
      X509_NAME_add_entry_by_NID(
          subject, NID_commonName, MBSTRING_UTF8, reinterpret_cast<unsigned char const*>(commonName.data()),
          static_cast<int>(commonName.size()), -1, 0) == 1,
      "no subject");
  CheckOpenSsl(
      X509_set_issuer_name(certificate_.get(), issuer != nullptr ? X509_get_subject_name(issuer) : subject) == 1 &&
          X509_set_pubkey(certificate_.get(), &subjectKey) == 1,
      "no issuer");
}

CertificateBuilder& CertificateBuilder::Extension(int nid, std::string const& value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer_ != nullptr ? issuer_ : certificate_.get(), certificate_.get(), nullptr, nullptr, 0);
  X509V3_set_ctx_nodb(&context);
  std::unique_ptr<X509_EXTENSION, openssl::Deleter<&X509_EXTENSION_free>> const extension{
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str())};
  CheckOpenSsl(extension && X509_add_ext(certificate_.get(), extension.get(), -1) == 1, OBJ_nid2sn(nid));
  return *this;
}

openssl::X509Ptr CertificateBuilder::Sign(EVP_PKEY& issuerKey) {
  CheckOpenSsl(X509_sign(certificate_.get(), &issuerKey, EVP_sha256()) > 0, "no signature");
  return std::move(certificate_);
}

}  // namespace mtlspop::gateway
