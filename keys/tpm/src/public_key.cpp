#include <memory>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include "mtlspop/credential/errors.hpp"
#include "tpm_signer.hpp"

namespace mtlspop::tpm {
namespace {

using Bytes = std::vector<std::uint8_t>;
using BuilderPtr = std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)>;
using ParametersPtr = std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)>;
using NumberPtr = std::unique_ptr<BIGNUM, decltype(&BN_free)>;
using ContextPtr = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;

Bytes Encode(char const* kind, OSSL_PARAM_BLD* builder) {
  ParametersPtr const parameters{OSSL_PARAM_BLD_to_param(builder), &OSSL_PARAM_free};
  ContextPtr const context{EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr), &EVP_PKEY_CTX_free};
  EVP_PKEY* made = nullptr;
  if (context && EVP_PKEY_fromdata_init(context.get()) == 1) {
    EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get());
  }
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> const key{made, &EVP_PKEY_free};
  int const length = key ? i2d_PUBKEY(key.get(), nullptr) : -1;
  Bytes der(static_cast<std::size_t>(length > 0 ? length : 0));
  if (length > 0) {
    auto* out = der.data();
    i2d_PUBKEY(key.get(), &out);
    return der;
  }
  ERR_clear_error();
  throw Error{{errors::KeyUnavailable, "The public key of a key of the TPM cannot be read", "Use another key"}};
}

Bytes EncodeRsa(TPMT_PUBLIC const& key) {
  BuilderPtr const builder{OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free};
  NumberPtr const modulus{BN_bin2bn(key.unique.rsa.buffer, key.unique.rsa.size, nullptr), &BN_free};
  auto const exponent = key.parameters.rsaDetail.exponent == 0 ? 65537U : key.parameters.rsaDetail.exponent;
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_uint32(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent);
  return Encode("RSA", builder.get());
}

Bytes EncodeEc(TPMT_PUBLIC const& key) {
  bool const isP256 = key.parameters.eccDetail.curveID == TPM2_ECC_NIST_P256;
  std::size_t const width = isP256 ? 32 : 48;
  Bytes point(1 + 2 * width);
  point[0] = 0x04;
  auto const put = [&](TPM2B_ECC_PARAMETER const& number, std::size_t end) {
    if (number.size <= width) std::copy(number.buffer, number.buffer + number.size, point.data() + end - number.size);
  };
  put(key.unique.ecc.x, 1 + width);
  put(key.unique.ecc.y, 1 + 2 * width);
  BuilderPtr const builder{OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free};
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, isP256 ? "P-256" : "P-384", 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  return Encode("EC", builder.get());
}

}  // namespace

Bytes EncodePublicKey(TPMT_PUBLIC const& key) {
  if (key.type == TPM2_ALG_RSA) return EncodeRsa(key);
  auto const curve = key.parameters.eccDetail.curveID;
  if (key.type == TPM2_ALG_ECC && (curve == TPM2_ECC_NIST_P256 || curve == TPM2_ECC_NIST_P384)) return EncodeEc(key);
  throw Error{
      {errors::KeyUnavailable, "The key of the TPM is neither RSA nor on P-256 or P-384",
       "Use an RSA key of 2048 bits, or one on P-256 or P-384"}};
}

}  // namespace mtlspop::tpm
