#include "support/test_certificate_authority.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <array>
#include <stdexcept>
#include <utility>

#include "mtlspop/transport/openssl.hpp"

namespace mtlspop::test {

namespace {

/// Checks what OpenSSL returned: tests have no use for a finer error.
void Require(bool good, char const* what) {
  if (good) return;
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  throw std::runtime_error{std::string{what} + ": " + text.data()};
}

template <typename Write>
std::string ToPem(Write&& write) {
  std::unique_ptr<BIO, decltype(&BIO_free_all)> const memory{BIO_new(BIO_s_mem()), &BIO_free_all};
  Require(memory != nullptr && write(memory.get()) == 1, "write PEM");
  char* text = nullptr;
  auto const length = BIO_get_mem_data(memory.get(), &text);
  return {text, static_cast<std::size_t>(length)};
}

void SetName(X509_NAME* name, std::string const& commonName) {
  Require(
      X509_NAME_add_entry_by_txt(
          name, "CN", MBSTRING_UTF8, reinterpret_cast<unsigned char const*>(commonName.data()),
          static_cast<int>(commonName.size()), -1, 0) == 1,
      "set name");
}

void AddExtension(X509* certificate, X509* issuer, int kind, std::string const& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> const extension{
      X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()), &X509_EXTENSION_free};
  Require(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1, "add extension");
}

std::shared_ptr<X509> NewCertificate(
    long serial,
    EVP_PKEY* key,
    X509_NAME const* issuer,
    std::chrono::seconds notBefore,
    std::chrono::seconds notAfter) {
  std::shared_ptr<X509> certificate{X509_new(), &X509_free};
  Require(certificate != nullptr, "new certificate");
  Require(X509_set_version(certificate.get(), X509_VERSION_3) == 1, "set version");
  Require(ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial) == 1, "set serial number");
  Require(X509_gmtime_adj(X509_getm_notBefore(certificate.get()), notBefore.count()) != nullptr, "set start");
  Require(X509_gmtime_adj(X509_getm_notAfter(certificate.get()), notAfter.count()) != nullptr, "set end");
  Require(X509_set_pubkey(certificate.get(), key) == 1, "set public key");
  if (issuer != nullptr) Require(X509_set_issuer_name(certificate.get(), issuer) == 1, "set issuer");
  return certificate;
}

std::string AlternativeNames(CertificateRequest const& request) {
  std::string names;
  for (auto const& name : request.DnsNames) names += (names.empty() ? "DNS:" : ",DNS:") + name;
  for (auto const& address : request.IpAddresses) names += (names.empty() ? "IP:" : ",IP:") + address;
  return names;
}

}  // namespace

std::shared_ptr<EVP_PKEY> GenerateKey(KeyKind kind) {
  std::shared_ptr<EVP_PKEY> key{kind == KeyKind::EcP256 ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048), &EVP_PKEY_free};
  Require(key != nullptr, "generate key");
  return key;
}

std::string X5tS256Of(X509 const* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  Require(X509_digest(certificate, EVP_sha256(), digest.data(), &length) == 1, "digest");
  std::array<unsigned char, 64> encoded{};
  auto const size = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(length));
  std::string text{encoded.begin(), encoded.begin() + size};
  for (auto& character : text) {
    if (character == '+') character = '-';
    if (character == '/') character = '_';
  }
  text.erase(text.find_last_not_of('=') + 1);
  return text;
}

std::shared_ptr<BindingCertificate const> ToBinding(IssuedCertificate const& certificate) {
  return openssl::MakeBindingCertificateFromPem(certificate.CertificatePem, certificate.PrivateKeyPem);
}

TestCertificateAuthority::TestCertificateAuthority(std::string_view commonName) : key_(GenerateKey(KeyKind::EcP256)) {
  Certify(commonName, nullptr, key_.get(), 1, std::chrono::hours{48});
}

TestCertificateAuthority::TestCertificateAuthority(
    std::string_view commonName,
    TestCertificateAuthority const& above,
    std::chrono::seconds notAfter,
    std::shared_ptr<EVP_PKEY> key)
    : key_(key ? std::move(key) : GenerateKey(KeyKind::EcP256)) {
  Certify(commonName, above.certificate_.get(), above.key_.get(), 1000, notAfter);
}

void TestCertificateAuthority::Certify(
    std::string_view commonName, X509* issuer, EVP_PKEY* issuerKey, long serial, std::chrono::seconds notAfter) {
  certificate_ = NewCertificate(serial, key_.get(), nullptr, -std::chrono::hours{48}, notAfter);
  auto* const certificate = certificate_.get();
  SetName(X509_get_subject_name(certificate), std::string{commonName});
  auto* const above = issuer == nullptr ? certificate : issuer;
  Require(X509_set_issuer_name(certificate, X509_get_subject_name(above)) == 1, "set issuer");
  AddExtension(certificate, above, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate, above, NID_key_usage, "critical,keyCertSign,cRLSign");
  AddExtension(certificate, above, NID_subject_key_identifier, "hash");
  Require(X509_sign(certificate, issuerKey, EVP_sha256()) > 0, "sign");
  certificatePem_ = ToPem([&](BIO* to) { return PEM_write_bio_X509(to, certificate); });
  certificatePath_ = directory_.WriteFile("ca.pem", certificatePem_);
}

IssuedCertificate TestCertificateAuthority::Issue(CertificateRequest const& request) {
  IssuedCertificate issued;
  issued.Key = request.ExistingKey ? request.ExistingKey : GenerateKey(request.Key);
  issued.Certificate = NewCertificate(
      nextSerial_++, issued.Key.get(), X509_get_subject_name(certificate_.get()), request.NotBefore, request.NotAfter);
  auto* const certificate = issued.Certificate.get();
  SetName(X509_get_subject_name(certificate), request.CommonName);
  AddExtension(certificate, certificate_.get(), NID_basic_constraints, request.BasicConstraints);
  AddExtension(certificate, certificate_.get(), NID_subject_key_identifier, "hash");
  AddExtension(certificate, certificate_.get(), NID_authority_key_identifier, "keyid");
  if (!request.KeyUsage.empty()) AddExtension(certificate, certificate_.get(), NID_key_usage, request.KeyUsage);
  if (!request.ExtendedKeyUsage.empty()) {
    AddExtension(certificate, certificate_.get(), NID_ext_key_usage, request.ExtendedKeyUsage);
  }
  if (auto const names = AlternativeNames(request); !names.empty()) {
    AddExtension(certificate, certificate_.get(), NID_subject_alt_name, names);
  }
  Require(X509_sign(certificate, key_.get(), EVP_sha256()) > 0, "sign");

  issued.X5tS256 = X5tS256Of(certificate);
  issued.CertificatePem = ToPem([&](BIO* to) { return PEM_write_bio_X509(to, certificate); });
  issued.PrivateKeyPem = ToPem(
      [&](BIO* to) { return PEM_write_bio_PrivateKey(to, issued.Key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  auto const number = std::to_string(++filesWritten_);
  issued.CertificatePath = directory_.WriteFile("certificate-" + number + ".pem", issued.CertificatePem);
  issued.PrivateKeyPath = directory_.WriteFile("key-" + number + ".pem", issued.PrivateKeyPem);
  issued.CombinedPath = directory_.WriteFile("both-" + number + ".pem", issued.CertificatePem + issued.PrivateKeyPem);
  return issued;
}

IssuedCertificate TestCertificateAuthority::IssueForLoopback() {
  CertificateRequest request;
  request.DnsNames = {"localhost"};
  request.IpAddresses = {"127.0.0.1", "::1"};
  request.ExtendedKeyUsage = "serverAuth";
  return Issue(request);
}

IssuedCertificate TestCertificateAuthority::IssueForNames(std::vector<std::string> dnsNames) {
  CertificateRequest request;
  request.DnsNames = std::move(dnsNames);
  request.ExtendedKeyUsage = "serverAuth";
  return Issue(request);
}

IssuedCertificate TestCertificateAuthority::IssueForClient(std::string_view commonName, KeyKind key) {
  CertificateRequest request;
  request.CommonName = commonName;
  request.Key = key;
  request.ExtendedKeyUsage = "clientAuth";
  return Issue(request);
}

std::string TestCertificateAuthority::WriteRevocationList(
    std::vector<IssuedCertificate> const& revoked, std::chrono::seconds nextUpdate) {
  using Time = std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)>;
  std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)> const list{X509_CRL_new(), &X509_CRL_free};
  Require(list != nullptr && X509_CRL_set_version(list.get(), X509_CRL_VERSION_2) == 1, "new revocation list");
  Require(X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(certificate_.get())) == 1, "set issuer");
  Time const start{X509_gmtime_adj(nullptr, -7200), &ASN1_TIME_free};
  Time const end{X509_gmtime_adj(nullptr, nextUpdate.count()), &ASN1_TIME_free};
  Require(X509_CRL_set1_lastUpdate(list.get(), start.get()) == 1, "set last update");
  Require(X509_CRL_set1_nextUpdate(list.get(), end.get()) == 1, "set next update");
  for (auto const& certificate : revoked) {
    auto* const entry = X509_REVOKED_new();
    Require(entry != nullptr, "new entry");
    Require(
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate.Certificate.get())) == 1 &&
            X509_REVOKED_set_revocationDate(entry, start.get()) == 1 && X509_CRL_add0_revoked(list.get(), entry) == 1,
        "add entry");
  }
  Require(X509_CRL_sort(list.get()) == 1 && X509_CRL_sign(list.get(), key_.get(), EVP_sha256()) > 0, "sign list");
  return directory_.WriteFile("revoked-" + std::to_string(++filesWritten_) + ".pem", ToPem([&](BIO* to) {
                                return PEM_write_bio_X509_CRL(to, list.get());
                              }));
}

}  // namespace mtlspop::test
