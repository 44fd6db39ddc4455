#include "objects.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "mtlspop/base/openssl/owners.hpp"
#include "mtlspop/credential/errors.hpp"

namespace mtlspop::pkcs11 {
namespace {

using BuilderPtr = std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)>;
using ParametersPtr = std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)>;
using NumberPtr = std::unique_ptr<BIGNUM, decltype(&BN_free)>;

CK_ATTRIBUTE Attribute(CK_ATTRIBUTE_TYPE type, void const* value, std::size_t length) {
  return {type, const_cast<void*>(value), length};
}

CK_ATTRIBUTE Attribute(CK_ATTRIBUTE_TYPE type, std::string const& value) {
  return Attribute(type, value.data(), value.size());
}

/// Empty where the object has it not, or does not show it.
/// @throw Token::Gone
Bytes Read(Session const& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  CK_ATTRIBUTE attribute{type, nullptr, 0};
  auto reason = session.Module->C_GetAttributeValue(session.Handle, object, &attribute, 1);
  Token::ThrowIfGone(reason);
  if (reason != CKR_OK || attribute.ulValueLen == static_cast<CK_ULONG>(-1)) return {};
  Bytes value(attribute.ulValueLen);
  attribute.pValue = value.data();
  reason = session.Module->C_GetAttributeValue(session.Handle, object, &attribute, 1);
  Token::ThrowIfGone(reason);
  if (reason != CKR_OK || attribute.ulValueLen == static_cast<CK_ULONG>(-1)) return {};
  value.resize(attribute.ulValueLen);
  return value;
}

std::string ReadText(Session const& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  auto const value = Read(session, object, type);
  return {value.begin(), value.end()};
}

bool IsTrue(Bytes const& value) noexcept { return value.size() == sizeof(CK_BBOOL) && value[0] != CK_FALSE; }

Bytes EncodePublic(EVP_PKEY* key) {
  int const length = key != nullptr ? i2d_PUBKEY(key, nullptr) : -1;
  ERR_clear_error();
  if (length <= 0) return {};
  Bytes der(static_cast<std::size_t>(length));
  auto* out = der.data();
  i2d_PUBKEY(key, &out);
  return der;
}

Bytes MakePublic(char const* kind, OSSL_PARAM_BLD* builder) {
  ParametersPtr const parameters{OSSL_PARAM_BLD_to_param(builder), &OSSL_PARAM_free};
  openssl::EvpPkeyCtxPtr const context{EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr)};
  EVP_PKEY* made = nullptr;
  if (context && parameters && EVP_PKEY_fromdata_init(context.get()) == 1) {
    EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get());
  }
  return EncodePublic(openssl::EvpPkeyPtr{made}.get());
}

Bytes RsaPublicKey(Session const& session, CK_OBJECT_HANDLE object) {
  auto const modulus = Read(session, object, CKA_MODULUS);
  auto const exponent = Read(session, object, CKA_PUBLIC_EXPONENT);
  if (modulus.empty() || exponent.empty()) return {};
  BuilderPtr const builder{OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free};
  NumberPtr const n{BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr), &BN_free};
  NumberPtr const e{BN_bin2bn(exponent.data(), static_cast<int>(exponent.size()), nullptr), &BN_free};
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  return MakePublic("RSA", builder.get());
}

/// CKA_EC_PARAMS is the curve's name in DER, CKA_EC_POINT an octet string with the point.
Bytes EcPublicKey(Session const& session, CK_OBJECT_HANDLE object) {
  auto const curve = Read(session, object, CKA_EC_PARAMS);
  auto const wrapped = Read(session, object, CKA_EC_POINT);
  auto const* position = curve.data();
  std::unique_ptr<ASN1_OBJECT, decltype(&ASN1_OBJECT_free)> const name{
      d2i_ASN1_OBJECT(nullptr, &position, static_cast<long>(curve.size())), &ASN1_OBJECT_free};
  position = wrapped.data();
  std::unique_ptr<ASN1_OCTET_STRING, decltype(&ASN1_OCTET_STRING_free)> const point{
      d2i_ASN1_OCTET_STRING(nullptr, &position, static_cast<long>(wrapped.size())), &ASN1_OCTET_STRING_free};
  ERR_clear_error();
  if (!name || !point) return {};
  BuilderPtr const builder{OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free};
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, OBJ_nid2sn(OBJ_obj2nid(name.get())), 0);
  OSSL_PARAM_BLD_push_octet_string(
      builder.get(), OSSL_PKEY_PARAM_PUB_KEY, ASN1_STRING_get0_data(point.get()),
      static_cast<std::size_t>(ASN1_STRING_length(point.get())));
  return MakePublic("EC", builder.get());
}

Bytes ReadPublicKey(Session const& session, CK_OBJECT_HANDLE object, bool isRsa) {
  return isRsa ? RsaPublicKey(session, object) : EcPublicKey(session, object);
}

/// From the private key, from its public half beside it, or from a certificate: tokens differ in what they keep.
Bytes PublicKeyOf(Session const& session, KeyFacts const& key) {
  if (auto found = ReadPublicKey(session, key.Object, key.IsRsa); !found.empty()) return found;
  for (auto const object : FindObjects(session, CKO_PUBLIC_KEY, key.Name)) {
    if (auto found = ReadPublicKey(session, object, key.IsRsa); !found.empty()) return found;
  }
  for (auto const& der : FindCertificates(session, key.Name)) {
    if (auto found = PublicKeyInCertificate(der); !found.empty()) return found;
  }
  throw Error{
      {errors::KeyUnavailable, "The token has a private key, and neither its public key nor its certificate",
       "Put the public key or the certificate beside it, with the same id"}};
}

}  // namespace

std::vector<CK_OBJECT_HANDLE> FindObjects(Session const& session, CK_OBJECT_CLASS kind, ObjectName const& name) {
  std::vector<CK_ATTRIBUTE> wanted{Attribute(CKA_CLASS, &kind, sizeof kind)};
  if (!name.Label.empty()) wanted.push_back(Attribute(CKA_LABEL, name.Label));
  if (!name.Id.empty()) wanted.push_back(Attribute(CKA_ID, name.Id));
  Token::Check(
      session.Module->C_FindObjectsInit(session.Handle, wanted.data(), wanted.size()), errors::KeyUnavailable,
      "The token does not search");
  auto const end = gsl::finally([&] { session.Module->C_FindObjectsFinal(session.Handle); });
  std::vector<CK_OBJECT_HANDLE> found(64);
  CK_ULONG count = 0;
  Token::Check(
      session.Module->C_FindObjects(session.Handle, found.data(), found.size(), &count), errors::KeyUnavailable,
      "The token does not search");
  found.resize(count);
  return found;
}

namespace {

KeyFacts DescribePrivateKey(Session const& session, CK_OBJECT_HANDLE object) {
  KeyFacts key;
  key.Object = object;
  auto const type = Read(session, key.Object, CKA_KEY_TYPE);
  CK_KEY_TYPE kind = CKK_VENDOR_DEFINED;
  if (type.size() == sizeof kind) std::copy(type.begin(), type.end(), reinterpret_cast<std::uint8_t*>(&kind));
  if (kind != CKK_RSA && kind != CKK_EC) {
    throw Error{
        {errors::KeyUnavailable, "The private key of the token is neither RSA nor EC",
         "Use an RSA key of 2048 bits or more, or one on P-256 or P-384"}};
  }
  key.IsRsa = kind == CKK_RSA;
  key.Name = {ReadText(session, key.Object, CKA_LABEL), ReadText(session, key.Object, CKA_ID)};
  key.MaySign = IsTrue(Read(session, key.Object, CKA_SIGN));
  key.AsksEachTime = IsTrue(Read(session, key.Object, CKA_ALWAYS_AUTHENTICATE));
  // Not by its label: that of the public half, or of the certificate, is often another.
  auto nameOfOthers = key;
  if (!key.Name.Id.empty()) nameOfOthers.Name.Label.clear();
  key.PublicKey = PublicKeyOf(session, nameOfOthers);
  return key;
}

openssl::X509Ptr ReadCertificate(Bytes const& der) {
  auto const* position = der.data();
  return openssl::X509Ptr{d2i_X509(nullptr, &position, static_cast<long>(der.size()))};
}

bool IsValidNow(X509* certificate) noexcept {
  return X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 &&
         X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

bool BeganLater(X509* certificate, X509* other) noexcept {
  return ASN1_TIME_compare(X509_get0_notBefore(certificate), X509_get0_notBefore(other)) == 1;
}

std::string RandomId() {
  std::string id(16, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(id.data()), static_cast<int>(id.size())) != 1) {
    throw Error{{errors::SystemFailure, "The random generator gave nothing", "Check OpenSSL's installation"}};
  }
  return id;
}

}  // namespace

std::optional<KeyFacts> FindPrivateKey(Session const& session, ObjectName const& name) {
  auto const found = FindObjects(session, CKO_PRIVATE_KEY, name);
  if (found.empty()) return std::nullopt;
  if (found.size() > 1) {
    throw Error{
        {errors::KeyUnavailable, std::to_string(found.size()) + " private keys of the token fit the PKCS#11 URI",
         "Name one, with `object` and `id` in the URI"}};
  }
  return DescribePrivateKey(session, found.front());
}

std::vector<KeyFacts> FindPrivateKeys(Session const& session, ObjectName const& name) {
  std::vector<KeyFacts> keys;
  for (auto const object : FindObjects(session, CKO_PRIVATE_KEY, name)) {
    keys.push_back(DescribePrivateKey(session, object));
  }
  std::sort(keys.begin(), keys.end(), [](auto const& left, auto const& right) {
    return std::tie(left.Name.Id, left.PublicKey) < std::tie(right.Name.Id, right.PublicKey);
  });
  return keys;
}

std::vector<Bytes> FindCertificates(Session const& session, ObjectName const& name) {
  std::vector<Bytes> found;
  for (auto const object : FindObjects(session, CKO_CERTIFICATE, name)) {
    auto der = Read(session, object, CKA_VALUE);
    if (!der.empty()) found.push_back(std::move(der));
  }
  return found;
}

Bytes PublicKeyInCertificate(Bytes const& der) {
  auto const certificate = ReadCertificate(der);
  return EncodePublic(certificate ? X509_get0_pubkey(certificate.get()) : nullptr);
}

Bytes ChooseCertificate(std::vector<Bytes> const& certificates, Bytes const& publicKey) {
  Bytes chosen;
  openssl::X509Ptr newest;
  for (auto const& der : certificates) {
    if (PublicKeyInCertificate(der) != publicKey) continue;
    if (chosen.empty()) chosen = der;
    auto certificate = ReadCertificate(der);
    if (!IsValidNow(certificate.get()) || (newest && !BeganLater(certificate.get(), newest.get()))) continue;
    chosen = der;
    newest = std::move(certificate);
  }
  return chosen;
}

Bytes GenerateRsaKey(Session const& session, ObjectName name) {
  if (name.Id.empty()) name.Id = RandomId();
  CK_BBOOL const yes = CK_TRUE;
  CK_BBOOL const no = CK_FALSE;
  CK_ULONG const bits = 2048;
  std::array<CK_BYTE, 3> const exponent{1, 0, 1};
  std::vector<CK_ATTRIBUTE> publicHalf{
      Attribute(CKA_TOKEN, &yes, sizeof yes),
      Attribute(CKA_VERIFY, &yes, sizeof yes),
      Attribute(CKA_MODULUS_BITS, &bits, sizeof bits),
      Attribute(CKA_PUBLIC_EXPONENT, exponent.data(), exponent.size()),
      Attribute(CKA_LABEL, name.Label),
      Attribute(CKA_ID, name.Id)};
  std::vector<CK_ATTRIBUTE> privateHalf{
      Attribute(CKA_TOKEN, &yes, sizeof yes),
      Attribute(CKA_PRIVATE, &yes, sizeof yes),
      Attribute(CKA_SENSITIVE, &yes, sizeof yes),
      Attribute(CKA_EXTRACTABLE, &no, sizeof no),
      Attribute(CKA_SIGN, &yes, sizeof yes),
      Attribute(CKA_LABEL, name.Label),
      Attribute(CKA_ID, name.Id)};
  CK_MECHANISM mechanism{CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  CK_OBJECT_HANDLE publicObject = 0;
  CK_OBJECT_HANDLE privateObject = 0;
  Token::Check(
      session.Module->C_GenerateKeyPair(
          session.Handle, &mechanism, publicHalf.data(), publicHalf.size(), privateHalf.data(), privateHalf.size(),
          &publicObject, &privateObject),
      errors::KeyUnavailable, "The token does not make a key");
  return RsaPublicKey(session, publicObject);
}

void DestroyKey(Session const& session, KeyFacts const& key) {
  Token::Check(
      session.Module->C_DestroyObject(session.Handle, key.Object), errors::KeyUnavailable,
      "The token does not give the refused key up");
  if (key.Name.Id.empty()) return;
  for (auto const object : FindObjects(session, CKO_PUBLIC_KEY, key.Name)) {
    if (ReadPublicKey(session, object, key.IsRsa) == key.PublicKey) {
      session.Module->C_DestroyObject(session.Handle, object);
    }
  }
}

}  // namespace mtlspop::pkcs11
