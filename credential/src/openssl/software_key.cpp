#include <openssl/rsa.h>

#include "../crypto.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/openssl.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "mtlspop/transport/required.hpp"
#include "ossl.hpp"

namespace mtlspop {
namespace {

constexpr int MinimumBits = 2048;
// OpenSSL blinds RSA operations with a pair of numbers that it makes anew after 32 of them. Where memory fails while it changes
// the pair, the two no longer fit each other, and what it signs until then is nobody's signature.
constexpr int OperationsWithOneBlinding = 32;

std::vector<std::uint8_t> EncodePublicKey(EVP_PKEY* key) {
  ERR_clear_error();
  std::uint8_t* der = nullptr;
  int const length = i2d_PUBKEY(key, &der);
  auto const release = gsl::finally([&der] { OPENSSL_free(der); });
  if (length <= 0) throw ossl::Failure(errors::KeyUnavailable, "The public key could not be encoded");
  return {der, der + length};
}

bool IsLongRsa(EVP_PKEY const* key) noexcept {
  return EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_bits(key) >= MinimumBits;
}

/// A binding key over an EVP_PKEY.
class OpenSslBindingKey final : public BindingKey {
 public:
  OpenSslBindingKey(gsl::not_null<EVP_PKEY*> key, KeyStrength strength, std::string reference)
      : strength_(strength),
        publicKey_(EncodePublicKey(key)),
        handle_(openssl::WrapPrivateKey(key)),
        reference_(std::move(reference)) {}

  KeyStrength Strength() const noexcept override { return strength_; }
  std::vector<std::uint8_t> const& SubjectPublicKeyInfo() const noexcept override { return publicKey_; }
  gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> Handle() const override { return handle_; }
  std::string Reference() const override { return reference_; }

  std::vector<std::uint8_t> SignPssSha256(gsl::span<std::uint8_t const> data) const override {
    // What another program or a device signs is its own to look at.
    int const most = strength_ == KeyStrength::Software ? OperationsWithOneBlinding + 1 : 1;
    for (int attempt = 0; attempt < most; ++attempt) {
      auto signature = Sign(data);
      if (crypto::VerifyPssSha256(publicKey_, data, signature)) return signature;
    }
    throw Error{
        {errors::PrivateKeyUnusable, "What the binding key signs does not verify with its own public key",
         "Look whether the device or the program that has the key is in order, and make another key"}};
  }

 private:
  std::vector<std::uint8_t> Sign(gsl::span<std::uint8_t const> data) const {
    ERR_clear_error();
    auto const key = openssl::GetPrivateKey(*handle_);
    openssl::EvpMdCtxPtr const digest{EVP_MD_CTX_new()};
    EVP_PKEY_CTX* options = nullptr;
    std::size_t length = 0;
    if (!digest || EVP_DigestSignInit(digest.get(), &options, EVP_sha256(), nullptr, key) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_pss_saltlen(options, 32) != 1 ||
        EVP_DigestSign(digest.get(), nullptr, &length, data.data(), data.size()) != 1) {
      throw ossl::Failure(errors::PrivateKeyUnusable, "The binding key cannot sign with RSASSA-PSS");
    }
    std::vector<std::uint8_t> signature(length);
    openssl::TakeSigningFailure();  // of somebody who did not ask
    if (EVP_DigestSign(digest.get(), signature.data(), &length, data.data(), data.size()) != 1) {
      auto const failure = ossl::Failure(errors::PrivateKeyUnusable, "The binding key did not sign");
      openssl::ThrowSigningFailure(failure);
      throw failure;
    }
    signature.resize(length);
    return signature;
  }

  KeyStrength strength_;
  std::vector<std::uint8_t> publicKey_;
  gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> handle_;
  std::string reference_;
};

class SoftwareKeyProvider final : public KeyProvider {
 public:
  KeyStrength HighestStrength() const noexcept override { return KeyStrength::Software; }

  gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(
      KeyRequest const& request, Context const& context) override {
    if (request.MinimumStrength > KeyStrength::Software) {
      throw Error{
          {errors::MinimumStrengthNotAvailable,
           "A key of strength " + std::string{ToString(request.MinimumStrength)} +
               " was asked for, and this provider makes software keys only",
           "Lower the minimum strength in the credential's options, or run where stronger keys exist (a Trusted Launch "
           "virtual machine with Windows for KeyGuard)"}};
    }
    context.ThrowIfEnded("making the binding key");
    ERR_clear_error();
    openssl::EvpPkeyPtr const key{EVP_RSA_gen(MinimumBits)};
    if (!key) throw ossl::Failure(errors::KeyUnavailable, "An RSA key could not be made");
    return openssl::WrapBindingKey(gsl::make_not_null(key.get()), KeyStrength::Software);
  }
};

}  // namespace

namespace openssl {

gsl::not_null<std::shared_ptr<BindingKey const>> WrapBindingKey(
    EVP_PKEY* key, KeyStrength strength, std::string reference) {
  auto const given = Required(key, "The key for WrapBindingKey");
  // Asked twice: where memory is short OpenSSL knows the key's name no more.
  if (!IsLongRsa(key) && !IsLongRsa(key)) {
    throw Error{
        {errors::KeyUnavailable, "The key handed in is not an RSA key of 2048 bits or more",
         "Hand in an RSA key of at least 2048 bits: the metadata service issues certificates for no others"}};
  }
  return std::shared_ptr<BindingKey const>{std::make_shared<OpenSslBindingKey>(given, strength, std::move(reference))};
}

}  // namespace openssl

gsl::not_null<std::shared_ptr<KeyProvider>> MakeSoftwareKeyProvider() {
  return std::shared_ptr<KeyProvider>{std::make_shared<SoftwareKeyProvider>()};
}

}  // namespace mtlspop
