#include "certificate_authority.hpp"

#include <openssl/ec.h>

#include <stdexcept>

#include "clock.hpp"
#include "digest.hpp"
#include "directory.hpp"
#include "emulated_hosts.hpp"

namespace mtlspop_emulator {
namespace {

std::string ServerNames() {
  std::string names = "DNS:localhost,IP:127.0.0.1,IP:::1";
  for (auto const& host : EmulatedHosts) {
    names.append(",DNS:").append(host.Name);
  }
  return names;
}

// P-256 keeps start and handshakes quick; binding keys themselves are RSA, as the contract wants.
KeyPtr MakeEcKey() {
  KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) {
    throw std::runtime_error("cannot make an EC key");
  }
  return key;
}

void AddExtension(X509* certificate, X509* issuer, int nid, char const* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  ExtensionPtr const extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1) {
    throw std::runtime_error(std::string("cannot add a certificate extension: ") + value);
  }
}

void AddName(X509_NAME* name, int nid, std::string const& value) {
  int const type = nid == NID_domainComponent ? V_ASN1_IA5STRING : V_ASN1_UTF8STRING;
  X509_NAME_add_entry_by_NID(
      name, nid, type, reinterpret_cast<unsigned char const*>(value.data()), static_cast<int>(value.size()), -1, 0);
}

CertificatePtr MakeUnsigned(EVP_PKEY* publicKey, std::time_t notBefore, std::time_t notAfter) {
  CertificatePtr certificate(X509_new());
  std::string serial = RandomBytes(16);
  serial[0] = static_cast<char>((static_cast<unsigned char>(serial[0]) & 0x7F) | 0x40);
  BigNumberPtr const number(
      BN_bin2bn(reinterpret_cast<unsigned char const*>(serial.data()), static_cast<int>(serial.size()), nullptr));
  BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate.get()));
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), notBefore);
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), notAfter);
  if (X509_set_pubkey(certificate.get(), publicKey) != 1) {
    throw std::runtime_error("cannot put the public key into a certificate");
  }
  return certificate;
}

void Sign(X509* certificate, EVP_PKEY* key) {
  if (X509_sign(certificate, key, EVP_sha256()) == 0) {
    throw std::runtime_error("cannot sign a certificate");
  }
}

CertificatePtr MakeAuthority(std::string const& commonName, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuerKey) {
  auto const now = Now();
  auto certificate = MakeUnsigned(key, now - 300, now + 30 * 86400);
  AddName(X509_get_subject_name(certificate.get()), NID_commonName, commonName);
  X509* const signer = issuer != nullptr ? issuer : certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
  AddExtension(certificate.get(), signer, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate.get(), signer, NID_key_usage, "critical,keyCertSign,cRLSign");
  AddExtension(certificate.get(), signer, NID_subject_key_identifier, "hash");
  Sign(certificate.get(), issuerKey);
  return certificate;
}

CertificatePtr MakeServer(EVP_PKEY* key, X509* issuer, EVP_PKEY* issuerKey) {
  auto const now = Now();
  auto certificate = MakeUnsigned(key, now - 300, now + 30 * 86400);
  AddName(X509_get_subject_name(certificate.get()), NID_commonName, "mtlspop-emulator");
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer));
  AddExtension(certificate.get(), issuer, NID_basic_constraints, "critical,CA:FALSE");
  AddExtension(certificate.get(), issuer, NID_key_usage, "critical,digitalSignature");
  AddExtension(certificate.get(), issuer, NID_ext_key_usage, "serverAuth");
  AddExtension(certificate.get(), issuer, NID_subject_key_identifier, "hash");
  AddExtension(certificate.get(), issuer, NID_authority_key_identifier, "keyid");
  AddExtension(certificate.get(), issuer, NID_subject_alt_name, ServerNames().c_str());
  Sign(certificate.get(), issuerKey);
  return certificate;
}

}  // namespace

CertificateAuthority::CertificateAuthority()
    : _rootKey(MakeEcKey()), _issuingKey(MakeEcKey()), _serverKey(MakeEcKey()) {
  _root = MakeAuthority("mtlspop-emulator root " + RandomGuid(), _rootKey.get(), nullptr, _rootKey.get());
  _issuing =
      MakeAuthority("managedIdentitySNissuer.login.microsoft.com", _issuingKey.get(), _root.get(), _rootKey.get());
  _server = MakeServer(_serverKey.get(), _root.get(), _rootKey.get());
}

std::string CertificateAuthority::RootPem() const {
  BioPtr const bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), _root.get());
  char* data = nullptr;
  auto const size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

CertificatePtr CertificateAuthority::Issue(
    Identity const& identity, EVP_PKEY* publicKey, BindingCertificateTerms const& terms) const {
  auto const now = Now();
  auto certificate = MakeUnsigned(publicKey, now - terms.Backdate.count(), now + terms.Lifetime.count());
  auto* const subject = X509_get_subject_name(certificate.get());
  AddName(subject, NID_commonName, identity.ClientId);
  AddName(subject, NID_domainComponent, identity.TenantId);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(_issuing.get()));
  AddExtension(certificate.get(), _issuing.get(), NID_basic_constraints, "critical,CA:FALSE");
  AddExtension(certificate.get(), _issuing.get(), NID_key_usage, "critical,digitalSignature");
  AddExtension(
      certificate.get(), _issuing.get(), NID_ext_key_usage, terms.ForClientAuth ? "clientAuth" : "emailProtection");
  AddExtension(certificate.get(), _issuing.get(), NID_authority_key_identifier, "keyid");
  Sign(certificate.get(), _issuingKey.get());
  return certificate;
}

bool CertificateAuthority::HasIssued(X509* certificate) const {
  bool const named = X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(_issuing.get())) == 0;
  return named && X509_verify(certificate, _issuingKey.get()) == 1;
}

}  // namespace mtlspop_emulator
