#include "cng_signer.hpp"

#include <cstdio>
#include <cstring>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::openssl {
namespace {

using Bytes = std::vector<std::uint8_t>;
using BuilderPtr = std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)>;
using ParametersPtr = std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)>;
using NumberPtr = std::unique_ptr<BIGNUM, decltype(&BN_free)>;
using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;

std::string Hex(SECURITY_STATUS status) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08lX", static_cast<unsigned long>(status));
  return text;
}

wchar_t const* NameOf(DigestAlgorithm digest) {
  return digest == DigestAlgorithm::Sha256   ? BCRYPT_SHA256_ALGORITHM
         : digest == DigestAlgorithm::Sha384 ? BCRYPT_SHA384_ALGORITHM
                                             : BCRYPT_SHA512_ALGORITHM;
}

Bytes Encode(char const* kind, OSSL_PARAM_BLD* builder) {
  ParametersPtr const parameters{OSSL_PARAM_BLD_to_param(builder), &OSSL_PARAM_free};
  KeyContextPtr const context{EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr), &EVP_PKEY_CTX_free};
  EVP_PKEY* made = nullptr;
  if (context && parameters && EVP_PKEY_fromdata_init(context.get()) == 1) {
    EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get());
  }
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> const key{made, &EVP_PKEY_free};
  int const length = key ? i2d_PUBKEY(key.get(), nullptr) : -1;
  ERR_clear_error();
  Bytes der(static_cast<std::size_t>(length > 0 ? length : 0));
  if (length > 0) {
    auto* out = der.data();
    i2d_PUBKEY(key.get(), &out);
  }
  return der;
}

}  // namespace

CngSigner::CngSigner(NCRYPT_KEY_HANDLE key, CngKeyOptions const& options, CngFunctions functions)
    : functions_(functions), handle_{&functions_, key} {
  if (ReadRsa()) {
    algorithms_ = options.RsaAlgorithms;
  } else if (ReadEc()) {
    algorithms_ = {SignatureAlgorithm::Ecdsa};
  } else {
    throw Error{
        {errors::InvalidArgument,
         "The public half of the CNG key cannot be read, or is neither RSA nor on P-256 or P-384",
         "Give a handle of a key that lives, RSA of 2048 bits or more, P-256 or P-384"}};
  }
}

CngSigner::~CngSigner() = default;

Bytes CngSigner::Export(wchar_t const* format) const {
  DWORD length = 0;
  if (functions_.ExportKey(handle_.Key, 0, format, nullptr, nullptr, 0, &length, 0) != ERROR_SUCCESS) {
    return {};
  }
  Bytes blob(length);
  if (functions_.ExportKey(handle_.Key, 0, format, nullptr, blob.data(), length, &length, 0) != ERROR_SUCCESS) {
    return {};
  }
  blob.resize(length);
  return blob;
}

/// BCRYPT_RSAKEY_BLOB, then the exponent, then the modulus.
bool CngSigner::ReadRsa() {
  auto const blob = Export(BCRYPT_RSAPUBLIC_BLOB);
  BCRYPT_RSAKEY_BLOB head{};
  if (blob.size() < sizeof head) {
    return false;
  }
  std::memcpy(&head, blob.data(), sizeof head);
  if (head.Magic != BCRYPT_RSAPUBLIC_MAGIC || head.cbPublicExp > blob.size() || head.cbModulus > blob.size() ||
      blob.size() < sizeof head + head.cbPublicExp + head.cbModulus) {
    return false;
  }
  auto const* const exponent = blob.data() + sizeof head;
  auto const* const modulus = exponent + head.cbPublicExp;
  BuilderPtr const builder{OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free};
  NumberPtr const e{BN_bin2bn(exponent, static_cast<int>(head.cbPublicExp), nullptr), &BN_free};
  NumberPtr const n{BN_bin2bn(modulus, static_cast<int>(head.cbModulus), nullptr), &BN_free};
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  publicKey_ = Encode("RSA", builder.get());
  return !publicKey_.empty();
}

/// BCRYPT_ECCKEY_BLOB, then x, then y.
bool CngSigner::ReadEc() {
  auto const blob = Export(BCRYPT_ECCPUBLIC_BLOB);
  BCRYPT_ECCKEY_BLOB head{};
  if (blob.size() < sizeof head) {
    return false;
  }
  std::memcpy(&head, blob.data(), sizeof head);
  bool const isP256 = head.dwMagic == BCRYPT_ECDSA_PUBLIC_P256_MAGIC && head.cbKey == 32;
  bool const isP384 = head.dwMagic == BCRYPT_ECDSA_PUBLIC_P384_MAGIC && head.cbKey == 48;
  if ((!isP256 && !isP384) || blob.size() != sizeof head + 2 * head.cbKey) {
    return false;
  }
  Bytes point(1 + 2 * static_cast<std::size_t>(head.cbKey));
  point[0] = 0x04;
  std::memcpy(point.data() + 1, blob.data() + sizeof head, point.size() - 1);
  BuilderPtr const builder{OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free};
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, isP256 ? "P-256" : "P-384", 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  publicKey_ = Encode("EC", builder.get());
  return !publicKey_.empty();
}

Bytes CngSigner::Sign(SignatureRequest const& request, Context const& /*context*/) const {
  BCRYPT_PSS_PADDING_INFO pss{NameOf(request.Digest), static_cast<ULONG>(request.SaltBytes)};
  BCRYPT_PKCS1_PADDING_INFO pkcs1{NameOf(request.Digest)};
  void* padding = nullptr;
  DWORD flags = 0;
  if (request.Algorithm == SignatureAlgorithm::RsaPss) {
    padding = &pss;
    flags = BCRYPT_PAD_PSS;
  } else if (request.Algorithm == SignatureAlgorithm::RsaPkcs1) {
    padding = &pkcs1;
    flags = BCRYPT_PAD_PKCS1;
  }
  Bytes digest{request.Input.begin(), request.Input.end()};
  Bytes signature(1024);
  DWORD length = 0;
  auto const status = functions_.SignHash(
      handle_.Key, padding, digest.data(), static_cast<DWORD>(digest.size()), signature.data(),
      static_cast<DWORD>(signature.size()), &length, flags | NCRYPT_SILENT_FLAG);
  if (status != ERROR_SUCCESS) {
    throw Error{
        {errors::PrivateKeyUnusable, "NCryptSignHash says " + Hex(status),
         "KeyGuard keys go with a reboot: have a new certificate issued. See what `certutil -key` says of the key"}};
  }
  signature.resize(length);
  return signature;
}

gsl::not_null<std::shared_ptr<EVP_PKEY>> MakeCngKey(NCRYPT_KEY_HANDLE key, CngKeyOptions options) {
  std::shared_ptr<Signer const> signer = std::make_shared<CngSigner>(key, options);
  return MakeSignerKey(gsl::make_not_null(std::move(signer)));
}

}  // namespace mtlspop::openssl
