#pragma once

/// @file
/// A signer with what OpenSSL knows of its public key: chooses the algorithm, makes paddings, checks signatures.

#include <array>
#include <cstdint>
#include <exception>
#include <memory>
#include <vector>

#include "mtlspop/base/openssl/owners.hpp"
#include "mtlspop/transport/signer.hpp"

namespace mtlspop::openssl {

/// How a signature is to be made, as OpenSSL's caller wants it.
struct SigningOrder {
  DigestAlgorithm Digest = DigestAlgorithm::Sha256;
  /// RSASSA-PSS rather than PKCS#1 v1.5; nothing with EC keys.
  bool Pss = false;
  /// With PSS.
  std::size_t SaltBytes = 0;
};

/// Thread safety: immutable once tried.
class SignerKey final {
 public:
  /// @throw Error `invalid_argument`
  explicit SignerKey(gsl::not_null<std::shared_ptr<Signer const>> signer);

  /// Asks for a signature in each way that there is until one works, once more in those that did not, and forgets those
  /// that fail again.
  /// @throw Error `private_key_unusable` with the first failure as its cause, `cancelled`, `deadline_exceeded`
  void Try(Context const& context);

  /// A signature as OpenSSL gives it out: ECDSA in DER.
  /// @param data what `digest` is over; looked at where the signer wants it
  /// @throw what the signer throws; Error `private_key_unusable`
  std::vector<std::uint8_t> Sign(
      SigningOrder const& order,
      gsl::span<std::uint8_t const> digest,
      gsl::span<std::uint8_t const> data,
      Context const& context) const;
  bool SignsData() const noexcept { return signer_->SignsData(); }

  bool Can(SignatureAlgorithm algorithm) const noexcept;
  bool IsRsa() const noexcept { return isRsa_; }
  std::size_t ModulusBits() const noexcept { return bits_; }
  EVP_PKEY* Public() const noexcept { return public_.get(); }

 private:
  /// What is signed to try a key.
  struct Probe {
    std::array<std::uint8_t, 32> Data{};
    /// SHA-256 of it.
    std::array<std::uint8_t, 32> Digest{};
  };
  /// Null where the key signs with `algorithm`.
  /// @throw Error `cancelled`, `deadline_exceeded` where it is the context that ends
  std::exception_ptr FailureOf(SignatureAlgorithm algorithm, Probe const& probe, Context const& context) const;
  std::vector<std::uint8_t> SignWith(
      SignatureAlgorithm algorithm,
      SigningOrder const& order,
      gsl::span<std::uint8_t const> digest,
      gsl::span<std::uint8_t const> data,
      Context const& context) const;
  SignatureAlgorithm Choose(SigningOrder const& order) const;
  std::vector<std::uint8_t> Ask(
      SignatureAlgorithm algorithm,
      SigningOrder const& order,
      gsl::span<std::uint8_t const> digest,
      gsl::span<std::uint8_t const> data,
      Context const& context) const;

  void PrepareChecks();
  /// As `VerifySignature`, in less time for the usual orders: what OpenSSL looks up for one was looked up before.
  bool Check(SigningOrder const& order, gsl::span<std::uint8_t const> digest, gsl::span<std::uint8_t const> signature)
      const noexcept;

  struct PreparedCheck {
    SigningOrder Order;
    /// Copied for each check.
    EvpPkeyCtxPtr Context;
  };

  gsl::not_null<std::shared_ptr<Signer const>> signer_;
  EvpPkeyPtr public_;
  std::vector<PreparedCheck> checks_;
  std::vector<SignatureAlgorithm> algorithms_;
  bool isRsa_ = false;
  std::size_t bits_ = 0;
};

/// What `TakeSigningFailure` gives next.
void KeepSigningFailure(std::exception_ptr failure) noexcept;

/// Whether `signature` over `digest` is `key`'s.
bool VerifySignature(
    EVP_PKEY* key,
    SigningOrder const& order,
    gsl::span<std::uint8_t const> digest,
    gsl::span<std::uint8_t const> signature) noexcept;

}  // namespace mtlspop::openssl
