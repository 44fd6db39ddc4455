#include "fake_authority.hpp"

#include <atomic>
#include <stdexcept>

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "mtlspop/credential/openssl.hpp"

namespace mtlspop::test {
namespace {

using std::chrono::system_clock;

std::shared_ptr<EVP_PKEY> Own(EVP_PKEY* key) {
  if (key == nullptr) throw std::runtime_error("no key");
  return {key, EVP_PKEY_free};
}

EVP_PKEY* AuthorityKey() {
  static auto const key = Own(EVP_EC_gen("P-256"));
  return key.get();
}

EVP_PKEY* KeyMadeBeforehand(int number) {
  static std::vector<std::shared_ptr<EVP_PKEY>> const keys{
      Own(EVP_RSA_gen(2048)), Own(EVP_RSA_gen(2048)), Own(EVP_RSA_gen(2048))};
  return keys[static_cast<std::size_t>(number) % keys.size()].get();
}

void AddExtension(X509* certificate, int nid, std::string const& value) {
  if (value.empty()) return;
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  if (extension == nullptr) throw std::runtime_error("no such extension: " + value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

std::vector<std::uint8_t> IssueCertificate(
    std::vector<std::uint8_t> const& subjectPublicKeyInfo,
    system_clock::time_point from,
    system_clock::time_point to,
    CertificateTerms const& terms) {
  static std::atomic<long> serial{1};
  auto const* position = subjectPublicKeyInfo.data();
  auto const key = Own(d2i_PUBKEY(nullptr, &position, static_cast<long>(subjectPublicKeyInfo.size())));
  std::shared_ptr<X509> const certificate{X509_new(), X509_free};
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<unsigned char const*>("fake"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), system_clock::to_time_t(from));
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), system_clock::to_time_t(to));
  X509_set_pubkey(certificate.get(), key.get());
  AddExtension(certificate.get(), NID_key_usage, terms.KeyUsage);
  AddExtension(certificate.get(), NID_ext_key_usage, terms.ExtendedKeyUsage);
  X509_sign(certificate.get(), AuthorityKey(), EVP_sha256());
  std::vector<std::uint8_t> der(static_cast<std::size_t>(i2d_X509(certificate.get(), nullptr)));
  auto* out = der.data();
  i2d_X509(certificate.get(), &out);
  return der;
}

std::vector<std::uint8_t> PublicKeyOfRequest(std::vector<std::uint8_t> const& request) {
  auto const* position = request.data();
  std::shared_ptr<X509_REQ> const parsed{
      d2i_X509_REQ(nullptr, &position, static_cast<long>(request.size())), X509_REQ_free};
  if (!parsed) throw std::runtime_error("the certificate request cannot be read");
  EVP_PKEY* const key = X509_REQ_get0_pubkey(parsed.get());
  std::vector<std::uint8_t> info(static_cast<std::size_t>(i2d_PUBKEY(key, nullptr)));
  auto* out = info.data();
  i2d_PUBKEY(key, &out);
  return info;
}

std::shared_ptr<BindingKey const> ReadyKey(int number, KeyStrength strength) {
  return openssl::WrapBindingKey(gsl::make_not_null(KeyMadeBeforehand(number)), strength).get();
}

std::string ToBase64(std::vector<std::uint8_t> const& data) {
  std::string text(4 * ((data.size() + 2) / 3) + 1, '\0');
  int const length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), data.data(), static_cast<int>(data.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

std::vector<std::uint8_t> FromBase64(std::string text) {
  std::size_t const padding = text.size() - text.find_last_not_of('=') - 1;
  std::vector<std::uint8_t> data(text.size() / 4 * 3);
  EVP_DecodeBlock(data.data(), reinterpret_cast<unsigned char const*>(text.data()), static_cast<int>(text.size()));
  data.resize(data.size() - padding);
  return data;
}

}  // namespace mtlspop::test
