#include "test_certificates.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <algorithm>

namespace emulator_test {
namespace {

unsigned char const* Bytes(std::string const& text) { return reinterpret_cast<unsigned char const*>(text.data()); }

void AddName(X509_NAME* name, int nid, std::string const& value, int type = V_ASN1_UTF8STRING) {
  X509_NAME_add_entry_by_NID(name, nid, type, Bytes(value), static_cast<int>(value.size()), -1, 0);
}

// OpenSSL writes NULL behind the identifiers of SHA-256. Without them the algorithm, which is not signed, is eight bytes
// shorter, four for each.
std::string WithoutNullParameters(std::string der) {
  constexpr std::string_view hash("\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00", 15);
  constexpr std::string_view bare("\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01", 13);
  auto const shrink = [&der](std::size_t lengthAt, int by) { der[lengthAt] = static_cast<char>(der[lengthAt] - by); };
  // SEQUENCE { rsassaPss, SEQUENCE { [0] { hash }, [1] { SEQUENCE { mgf1, hash } }, [2] { 32 } } }
  constexpr std::string_view oid("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", 11);
  auto const start = der.rfind(oid);
  auto const first = der.find(hash, start);
  auto const second = der.find(hash, first + 1);
  if (start == std::string::npos || first == std::string::npos || second == std::string::npos) {
    return der;
  }
  shrink(start - 1, 4);
  shrink(start + oid.size() + 1, 4);
  shrink(first - 1, 2);
  constexpr std::size_t mgf1 = 11;
  shrink(second - mgf1 - 1, 2);
  shrink(second - mgf1 - 3, 2);
  der.replace(second, hash.size(), bare);
  der.replace(first, hash.size(), bare);
  // The outermost length has two bytes.
  auto const length = static_cast<unsigned char>(der[2]) * 256U + static_cast<unsigned char>(der[3]) - 4;
  der[2] = static_cast<char>(length / 256);
  der[3] = static_cast<char>(length % 256);
  return der;
}

// With [3] { 1 } at the end of the PSS parameters, five bytes that DER leaves out and BER may write.
std::string WithTrailerField(std::string der) {
  constexpr std::string_view salt("\xa2\x03\x02\x01\x20", 5);
  constexpr std::string_view trailer("\xa3\x03\x02\x01\x01", 5);
  constexpr std::string_view oid("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", 11);
  auto const start = der.rfind(oid);
  auto const end = der.find(salt, start);
  if (start == std::string::npos || end == std::string::npos) {
    return der;
  }
  auto const grow = [&der](std::size_t lengthAt) { der[lengthAt] = static_cast<char>(der[lengthAt] + 5); };
  grow(start - 1);
  grow(start + oid.size() + 1);
  der.insert(end + salt.size(), trailer);
  auto const length = static_cast<unsigned char>(der[2]) * 256U + static_cast<unsigned char>(der[3]) + 5;
  der[2] = static_cast<char>(length / 256);
  der[3] = static_cast<char>(length % 256);
  return der;
}

template <typename T, typename ToDer>
std::string DerOf(T* object, ToDer toDer) {
  unsigned char* bytes = nullptr;
  int const size = toDer(object, &bytes);
  std::string der(reinterpret_cast<char const*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return der;
}

void Sign(X509_REQ* request, EVP_PKEY* key, RequestShape const& shape) {
  DigestContextPtr const context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* settings = nullptr;
  bool const rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
  EVP_DigestSignInit(context.get(), &settings, EVP_get_digestbyname(shape.Digest), nullptr, key);
  if (rsa && shape.Pss) {
    EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_mgf1_md(settings, EVP_get_digestbyname(shape.MaskDigest));
    EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, shape.Salt);
  }
  X509_REQ_sign_ctx(request, context.get());
}

}  // namespace

KeyPtr MakeRsaKey(unsigned bits) { return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{bits})); }

KeyPtr MakeEcKey() { return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")); }

KeyPtr MakePssKey() {
  std::unique_ptr<EVP_PKEY_CTX, OpenSslFree<EVP_PKEY_CTX_free>> const context(
      EVP_PKEY_CTX_new_from_name(nullptr, "RSA-PSS", nullptr));
  EVP_PKEY_keygen_init(context.get());
  EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), 2048);
  EVP_PKEY* key = nullptr;
  EVP_PKEY_generate(context.get(), &key);
  return KeyPtr(key);
}

std::string MakeRequest(EVP_PKEY* key, RequestShape const& shape) {
  CertificateRequestPtr const request(X509_REQ_new());
  X509_REQ_set_version(request.get(), shape.Version);
  auto* const subject = X509_REQ_get_subject_name(request.get());
  if (shape.DomainFirst) {
    AddName(subject, NID_domainComponent, shape.DomainComponent, shape.DomainComponentType);
  }
  AddName(subject, NID_commonName, shape.CommonName, shape.CommonNameType);
  if (!shape.DomainFirst) {
    AddName(subject, NID_domainComponent, shape.DomainComponent, shape.DomainComponentType);
  }
  if (!shape.ExtraName.empty()) {
    AddName(subject, NID_organizationName, shape.ExtraName);
  }
  X509_REQ_set_pubkey(request.get(), key);
  for (int i = 0; i < shape.Attributes; ++i) {
    // A second attribute is another one, not a second value.
    auto const oid = i == 0 ? shape.AttributeOid : shape.AttributeOid + ".1";
    X509_REQ_add1_attr_by_txt(
        request.get(), oid.c_str(), shape.AttributeType, Bytes(shape.CuId), static_cast<int>(shape.CuId.size()));
  }
  Sign(request.get(), key, shape);
  auto der = DerOf(request.get(), i2d_X509_REQ);
  if (!shape.NullParameters) {
    der = WithoutNullParameters(std::move(der));
  }
  if (shape.TrailerField) {
    der = WithTrailerField(std::move(der));
  }
  if (shape.SpoilSignature) {
    der.back() = static_cast<char>(der.back() ^ 1);
  }
  return ToBase64(der);
}

Credentials MakeSelfSigned(std::string const& commonName) {
  Credentials made;
  made.Key = MakeRsaKey();
  made.Certificate.reset(X509_new());
  auto* const certificate = made.Certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 7);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  AddName(X509_get_subject_name(certificate), NID_commonName, commonName);
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  X509_set_pubkey(certificate, made.Key.get());
  X509_sign(certificate, made.Key.get(), EVP_sha256());
  return made;
}

CertificatePtr ParseCertificate(std::string const& base64Der) {
  auto const der = FromBase64(base64Der);
  auto const* bytes = Bytes(der);
  return CertificatePtr(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
}

std::string ToPem(X509* certificate) {
  BIO* const bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  char* data = nullptr;
  auto const size = BIO_get_mem_data(bio, &data);
  std::string pem(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return pem;
}

std::string X5tS256Of(X509* certificate) {
  auto const der = DerOf(certificate, i2d_X509);
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(Bytes(der), der.size(), reinterpret_cast<unsigned char*>(digest.data()));
  auto text = ToBase64(digest);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  text.erase(text.find('='));
  return text;
}

std::string PublicKeyBase64(EVP_PKEY* key) { return ToBase64(DerOf(key, i2d_PUBKEY)); }

std::string ToBase64(std::string const& bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  auto const size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), Bytes(bytes), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string FromBase64(std::string const& text) {
  std::string bytes(text.size() / 4 * 3, '\0');
  EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), Bytes(text), static_cast<int>(text.size()));
  auto const padding = std::count(text.begin(), text.end(), '=');
  bytes.resize(bytes.size() - static_cast<std::size_t>(padding));
  return bytes;
}

std::string FromBase64Url(std::string text) {
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  return FromBase64(text);
}

}  // namespace emulator_test
