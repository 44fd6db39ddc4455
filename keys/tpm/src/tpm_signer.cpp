#include "tpm_signer.hpp"

#include <algorithm>
#include <atomic>

#include "mtlspop/credential/errors.hpp"
#include "refused_secrets.hpp"

namespace mtlspop::tpm {
namespace {

using Bytes = std::vector<std::uint8_t>;
using openssl::SignatureAlgorithm;

constexpr char const* SigningFailed = "The TPM does not sign";

TPM2_ALG_ID IdOf(openssl::DigestAlgorithm digest) {
  return digest == openssl::DigestAlgorithm::Sha256   ? TPM2_ALG_SHA256
         : digest == openssl::DigestAlgorithm::Sha384 ? TPM2_ALG_SHA384
                                                      : TPM2_ALG_SHA512;
}

std::vector<SignatureAlgorithm> AlgorithmsOf(TPMT_PUBLIC const& key) {
  bool const signs = (key.objectAttributes & TPMA_OBJECT_SIGN_ENCRYPT) != 0;
  bool const isRestricted = (key.objectAttributes & TPMA_OBJECT_RESTRICTED) != 0;
  if (key.type == TPM2_ALG_ECC && signs && !isRestricted) return {SignatureAlgorithm::Ecdsa};
  if (key.type == TPM2_ALG_RSA && !isRestricted) {
    auto const scheme = key.parameters.rsaDetail.scheme.scheme;
    bool const decrypts = (key.objectAttributes & TPMA_OBJECT_DECRYPT) != 0;
    if (decrypts && scheme == TPM2_ALG_NULL) return {SignatureAlgorithm::RsaRaw};
    if (signs && scheme == TPM2_ALG_RSASSA) return {SignatureAlgorithm::RsaPkcs1};
    if (signs && scheme == TPM2_ALG_RSAPSS) return {SignatureAlgorithm::RsaPss};
    // Whether its salt is as long as TLS wants it depends on the TPM: the trial tells.
    if (signs && scheme == TPM2_ALG_NULL) return {SignatureAlgorithm::RsaPss, SignatureAlgorithm::RsaPkcs1};
  }
  throw Error{
      {errors::KeyUnavailable, "The key of the TPM may not sign: it is restricted, or lacks the attribute",
       "Make it with the attributes sign and decrypt and without a scheme (tpm2_create -G rsa2048 -a "
       "\"fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign|decrypt\")"}};
}

TPM2B_PUBLIC_KEY_RSA RawInput(openssl::SignatureRequest const& request) {
  TPM2B_PUBLIC_KEY_RSA block{};
  block.size = static_cast<UINT16>(std::min(static_cast<std::size_t>(request.Input.size()), sizeof block.buffer));
  std::copy_n(request.Input.begin(), block.size, block.buffer);
  return block;
}

/// `count` bytes at the end of `width`, as numbers are written.
void Append(Bytes& target, BYTE const* bytes, std::size_t count, std::size_t width) {
  target.resize(target.size() + (width > count ? width - count : 0));
  target.insert(target.end(), bytes, bytes + count);
}

Bytes SignRaw(ESYS_CONTEXT* esys, ESYS_TR key, openssl::SignatureRequest const& request, TSS2_RC& reason) {
  auto const block = RawInput(request);
  TPMT_RSA_DECRYPT scheme{};
  scheme.scheme = TPM2_ALG_NULL;
  TPM2B_DATA const label{};
  TPM2B_PUBLIC_KEY_RSA* out = nullptr;
  reason = Esys_RSA_Decrypt(esys, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &block, &scheme, &label, &out);
  EsysPtr<TPM2B_PUBLIC_KEY_RSA> const owned{out};
  Bytes signature;
  if (reason == TSS2_RC_SUCCESS) Append(signature, out->buffer, out->size, block.size);
  return signature;
}

Bytes SignDigest(
    ESYS_CONTEXT* esys,
    ESYS_TR key,
    openssl::SignatureRequest const& request,
    std::size_t orderBytes,
    TSS2_RC& reason) {
  TPM2B_DIGEST digest{};
  digest.size = static_cast<UINT16>(std::min(static_cast<std::size_t>(request.Input.size()), sizeof digest.buffer));
  std::copy_n(request.Input.begin(), digest.size, digest.buffer);
  TPMT_SIG_SCHEME scheme{};
  scheme.scheme = request.Algorithm == SignatureAlgorithm::Ecdsa    ? TPM2_ALG_ECDSA
                  : request.Algorithm == SignatureAlgorithm::RsaPss ? TPM2_ALG_RSAPSS
                                                                    : TPM2_ALG_RSASSA;
  scheme.details.any.hashAlg = IdOf(request.Digest);
  TPMT_TK_HASHCHECK ticket{};
  ticket.tag = TPM2_ST_HASHCHECK;
  ticket.hierarchy = TPM2_RH_NULL;
  TPMT_SIGNATURE* out = nullptr;
  reason = Esys_Sign(esys, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &digest, &scheme, &ticket, &out);
  EsysPtr<TPMT_SIGNATURE> const owned{out};
  Bytes signature;
  if (reason != TSS2_RC_SUCCESS) return signature;
  if (request.Algorithm == SignatureAlgorithm::Ecdsa) {
    Append(signature, out->signature.ecdsa.signatureR.buffer, out->signature.ecdsa.signatureR.size, orderBytes);
    Append(signature, out->signature.ecdsa.signatureS.buffer, out->signature.ecdsa.signatureS.size, orderBytes);
  } else {
    // The union's members for both RSA schemes are the same.
    Append(signature, out->signature.rsassa.sig.buffer, out->signature.rsassa.sig.size, 0);
  }
  return signature;
}

KeyMaterial WithId(KeyMaterial material) {
  static std::atomic<std::uint64_t> last{0};
  material.Id = ++last;
  return material;
}

}  // namespace

TpmSigner::TpmSigner(std::shared_ptr<Device> device, KeyMaterial material)
    : device_(std::move(device)),
      material_(WithId(std::move(material))),
      publicKey_(EncodePublicKey(material_.Public.publicArea)),
      algorithms_(AlgorithmsOf(material_.Public.publicArea)) {}

Bytes TpmSigner::Sign(openssl::SignatureRequest const& request, Context const& context) const {
  std::string const name{publicKey_.begin(), publicKey_.end()};
  auto const& authorization = device_->Options().KeyAuthorization;
  Bytes signature;
  device_->Run(context, [&](Connection& connection) {
    keys::SecretShowing const showing{name, context};
    if (showing.WasRefused(authorization)) {
      throw Error{
          {errors::PrivateKeyUnusable, "The TPM has refused the key's authorization before, and is not asked again",
           "Correct TpmOptions::KeyAuthorization"}};
    }
    auto const key = connection.Load(material_, device_->Options(), context);
    std::size_t const orderBytes =
        material_.Public.publicArea.parameters.eccDetail.curveID == TPM2_ECC_NIST_P256 ? 32 : 48;
    TSS2_RC reason = TSS2_RC_SUCCESS;
    signature = request.Algorithm == SignatureAlgorithm::RsaRaw
                    ? SignRaw(connection.Get(), key, request, reason)
                    : SignDigest(connection.Get(), key, request, orderBytes, reason);
    if (IsAboutAuthorization(reason)) showing.NoteRefused(authorization);
    Device::Check(reason, errors::PrivateKeyUnusable, SigningFailed, wasAccepted_);
    wasAccepted_ = true;
  });
  return signature;
}

}  // namespace mtlspop::tpm
