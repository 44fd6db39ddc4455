#include "support/software_signer.hpp"

#include <stdexcept>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

namespace mtlspop::test {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Algorithm = openssl::SignatureAlgorithm;

void Check(bool good, char const* what) {
  if (!good) throw std::runtime_error{what};
}

EVP_MD const* TypeOf(openssl::DigestAlgorithm digest) {
  return digest == openssl::DigestAlgorithm::Sha256   ? EVP_sha256()
         : digest == openssl::DigestAlgorithm::Sha384 ? EVP_sha384()
                                                      : EVP_sha512();
}

Bytes ToFixedLength(Bytes const& der, int orderBytes) {
  auto const* position = der.data();
  std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> const parts{
      d2i_ECDSA_SIG(nullptr, &position, static_cast<long>(der.size())), &ECDSA_SIG_free};
  Bytes fixed(static_cast<std::size_t>(2 * orderBytes));
  Check(parts && BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), fixed.data(), orderBytes) == orderBytes, "r");
  Check(BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), fixed.data() + orderBytes, orderBytes) == orderBytes, "s");
  return fixed;
}

}  // namespace

SoftwareSigner::SoftwareSigner(std::shared_ptr<EVP_PKEY> key, std::vector<Algorithm> algorithms, bool signsData)
    : key_(std::move(key)), algorithms_(std::move(algorithms)), signsData_(signsData) {
  publicKey_.resize(static_cast<std::size_t>(i2d_PUBKEY(key_.get(), nullptr)));
  auto* out = publicKey_.data();
  i2d_PUBKEY(key_.get(), &out);
}

Bytes SoftwareSigner::Sign(openssl::SignatureRequest const& request, Context const& context) const {
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    asked_.push_back(request.Algorithm);
  }
  if (BeforeEach) BeforeEach(request, context);
  auto signature = SignWithKey(request);
  if (request.Algorithm != Algorithm::Ecdsa) return signature;
  return ToFixedLength(signature, (EVP_PKEY_get_bits(key_.get()) + 7) / 8);
}

Bytes SoftwareSigner::SignWithKey(openssl::SignatureRequest const& request) const {
  Bytes digest{request.Input.begin(), request.Input.end()};
  if (signsData_) {
    digest.resize(static_cast<std::size_t>(EVP_MD_get_size(TypeOf(request.Digest))));
    EVP_Digest(request.Input.data(), request.Input.size(), digest.data(), nullptr, TypeOf(request.Digest), nullptr);
  }
  std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> const context{
      EVP_PKEY_CTX_new(key_.get(), nullptr), &EVP_PKEY_CTX_free};
  auto* const raw = context.get();
  Check(EVP_PKEY_sign_init(raw) == 1, "no signing");
  if (request.Algorithm != Algorithm::Ecdsa) {
    int const padding = request.Algorithm == Algorithm::RsaRaw   ? RSA_NO_PADDING
                        : request.Algorithm == Algorithm::RsaPss ? RSA_PKCS1_PSS_PADDING
                                                                 : RSA_PKCS1_PADDING;
    Check(EVP_PKEY_CTX_set_rsa_padding(raw, padding) == 1, "no such padding");
  }
  if (request.Algorithm != Algorithm::RsaRaw) {
    Check(EVP_PKEY_CTX_set_signature_md(raw, TypeOf(request.Digest)) == 1, "no such digest");
  }
  if (request.Algorithm == Algorithm::RsaPss) {
    Check(EVP_PKEY_CTX_set_rsa_pss_saltlen(raw, static_cast<int>(request.SaltBytes)) == 1, "no such salt");
  }
  Bytes signature(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())));
  auto length = signature.size();
  Check(EVP_PKEY_sign(raw, signature.data(), &length, digest.data(), digest.size()) == 1, "no signature");
  signature.resize(length);
  return signature;
}

std::vector<Algorithm> SoftwareSigner::Asked() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return asked_;
}

}  // namespace mtlspop::test
