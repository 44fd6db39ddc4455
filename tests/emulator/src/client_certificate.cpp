#include "client_certificate.hpp"

#include <openssl/x509v3.h>

#include <memory>

#include "digest.hpp"
#include "encoding.hpp"

namespace mtlspop_emulator {
namespace {

std::string NameField(X509* certificate, int nid) {
  auto const* name = X509_get_subject_name(certificate);
  int const index = X509_NAME_get_index_by_NID(name, nid, -1);
  if (index < 0) {
    return {};
  }
  auto const* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index));
  return std::string(
      reinterpret_cast<char const*>(ASN1_STRING_get0_data(value)), static_cast<std::size_t>(ASN1_STRING_length(value)));
}

std::time_t TimeOf(ASN1_TIME const* time) {
  static std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)> const epoch(ASN1_TIME_set(nullptr, 0), ASN1_TIME_free);
  int days = 0;
  int seconds = 0;
  constexpr std::time_t Day = 86400;
  return ASN1_TIME_diff(&days, &seconds, epoch.get(), time) == 1 ? days * Day + seconds : 0;
}

// An absent extension allows everything (RFC 5280, 4.2.1.3 and 4.2.1.12).
bool AllowsClientAuth(X509* certificate) {
  bool const keyUsage = (X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE) != 0;
  bool const extended = (X509_get_extended_key_usage(certificate) & (XKU_SSL_CLIENT | XKU_ANYEKU)) != 0;
  return keyUsage && extended;
}

}  // namespace

std::string DerOf(X509* certificate) {
  unsigned char* bytes = nullptr;
  int const size = i2d_X509(certificate, &bytes);
  if (size <= 0) {
    return {};
  }
  std::string der(reinterpret_cast<char const*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return der;
}

std::string X5tS256Of(X509* certificate) { return Base64UrlEncode(Sha256(DerOf(certificate))); }

ClientCertificate DescribeCertificate(X509* certificate) {
  ClientCertificate description;
  description.Der = DerOf(certificate);
  description.X5tS256 = Base64UrlEncode(Sha256(description.Der));
  description.CommonName = NameField(certificate, NID_commonName);
  description.DomainComponent = NameField(certificate, NID_domainComponent);
  description.NotBefore = TimeOf(X509_get0_notBefore(certificate));
  description.NotAfter = TimeOf(X509_get0_notAfter(certificate));
  description.AllowsClientAuth = AllowsClientAuth(certificate);
  return description;
}

}  // namespace mtlspop_emulator
