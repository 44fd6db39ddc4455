#pragma once

/// @file
/// Private keys for OpenSSL 3 that are somewhere else: in a device, in another process, behind a cloud's key service.
///
/// Write a `Signer`, hand it to `MakeSignerKey`, and use the `EVP_PKEY` that comes back wherever OpenSSL takes one: for
/// a binding certificate, a certificate request, a JWT, or an `SSL_CTX` of your own. OpenSSL itself loads nothing for
/// it and reads no configuration, and no other key of the process is touched.
///
/// @code
/// class DaemonKey final : public mtlspop::openssl::Signer {
///  public:
///   using Bytes = std::vector<std::uint8_t>;
///   using Algorithm = mtlspop::openssl::SignatureAlgorithm;
///
///   explicit DaemonKey(Daemon& daemon) : daemon_(daemon), publicKey_(daemon.PublicKey()) {}
///   Bytes const& SubjectPublicKeyInfo() const noexcept override { return publicKey_; }
///   std::vector<Algorithm> Algorithms() const override { return {Algorithm::RsaPss}; }
///   Bytes Sign(mtlspop::openssl::SignatureRequest const& request, mtlspop::Context const& context) const override {
///     return daemon_.Sign(request, context);
///   }
///
///  private:
///   Daemon& daemon_;
///   Bytes publicKey_;
/// };
/// auto key = mtlspop::openssl::MakeSignerKey(std::make_shared<DaemonKey>(daemon));
/// @endcode

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include <openssl/evp.h>
#include <gsl/pointers>
#include <gsl/span>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::openssl {

/// What a signer can do.
enum class SignatureAlgorithm {
  /// RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2).
  RsaPkcs1,
  /// RSASSA-PSS (RFC 8017 section 8.1), MGF1 with the same digest, and salt of any length that is asked for.
  RsaPss,
  /// RSASP1 (RFC 8017 section 5.2.1): the private operation alone. Both paddings are then made here.
  RsaRaw,
  /// ECDSA (FIPS 186-4 section 6) on P-256 or P-384.
  Ecdsa,
};

/// The hash functions of signatures (FIPS 180-4).
enum class DigestAlgorithm {
  /// SHA-256, 32 bytes.
  Sha256,
  /// SHA-384, 48 bytes.
  Sha384,
  /// SHA-512, 64 bytes.
  Sha512,
};

/// What is to be signed.
struct SignatureRequest {
  /// One of `Signer::Algorithms()`.
  SignatureAlgorithm Algorithm;
  /// The digest's algorithm; means nothing with `RsaRaw`.
  DigestAlgorithm Digest;
  /// How many bytes of salt; with `RsaPss` only.
  std::size_t SaltBytes = 0;
  /// The digest; the data itself where `Signer::SignsData()`; with `RsaRaw` the padded block, as long as the modulus.
  /// Borrowed: valid until `Sign` returns.
  gsl::span<std::uint8_t const> Input;
};

/// A private key that somebody else keeps. RSA of 2048 to 8192 bits, P-256 or P-384.
///
/// Thread safety: all members are called from any thread at any time, also in a child of fork(): a signer that holds a
/// connection has to open another one there.
class MTLSPOP_EXPORT Signer {
 public:
  virtual ~Signer() = default;

  /// The public key as SubjectPublicKeyInfo in DER (RFC 5280 section 4.1.2.7). Never changes.
  virtual std::vector<std::uint8_t> const& SubjectPublicKeyInfo() const noexcept = 0;

  /// What it can do. Never changes, not empty. An RSA key that can do neither `RsaPss` nor `RsaRaw` signs no TLS 1.3
  /// handshake (RFC 8446 section 4.2.3).
  virtual std::vector<SignatureAlgorithm> Algorithms() const = 0;

  /// Whether it hashes by itself, and wants the data and not its digest.
  virtual bool SignsData() const noexcept { return false; }

  /// Signs. The result of RSA is as long as the modulus; of `Ecdsa` it is r and s, each as long as the curve's order,
  /// one behind the other (IEEE P1363, as RFC 7518 section 3.4 has it).
  /// @param request what is to be signed, and how; its input is borrowed until `Sign` returns
  /// @param context of the call that the signature is for: a handshake, a certificate request, a client assertion, the
  /// trial of a stored binding; that of `SigningContext` where it is yours. `Sign` is to give up when it ends. Nothing can interrupt it: a signer that goes on keeps the thread that it was
  /// called on, and a blocking call that waits for the signature returns when `Sign` does, with `cancelled` or
  /// `deadline_exceeded`, and without having sent its request
  /// @throw anything, best an Error that says what to do. Whoever asked OpenSSL for the signature finds it as the cause of
  /// `private_key_unusable`, or with `TakeSigningFailure`. Error `cancelled` and `deadline_exceeded` reach the caller as
  /// they are.
  virtual std::vector<std::uint8_t> Sign(SignatureRequest const& request, Context const& context) const = 0;
};

/// A key for OpenSSL whose private operations are `signer`'s; public operations are OpenSSL's own. It can be used from
/// any thread and with any library context. It cannot be exported, and does nothing but sign and verify.
///
/// Before it is returned it is tried: a signature is asked for and checked. Of `signer->Algorithms()` the first that
/// works (PSS before PKCS#1) ends the trial; those before it are asked once more, and not used where they fail again. Each
/// later signature is checked as well, so that a wrong one is this key's fault and never a server's.
/// @throw Error `private_key_unusable` where the trial fails, with the signer's first failure as its cause;
/// `invalid_argument` where the public key cannot be read or is of another kind, or no algorithm fits it; what
/// `context` ends with
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<EVP_PKEY>> MakeSignerKey(
    std::shared_ptr<Signer const> signer, Context const& context = {});

/// The signature algorithms that a client with this key can offer, for `SSL_CTX_set1_client_sigalgs_list`, best first.
/// "" for a key that `MakeSignerKey` did not make: there is nothing to restrict then. This library's transport calls it;
/// an `SSL_CTX` of your own needs it where the key cannot do PSS, or OpenSSL will ask it to.
MTLSPOP_EXPORT std::string ClientSignatureAlgorithms(EVP_PKEY const* key);

/// While it lives, signers that are called on this thread are given `context`. Borrows it. The innermost one counts.
class MTLSPOP_EXPORT SigningContext final {
 public:
  /// @param context borrowed: must live as long as this object. Made and destroyed on the same thread.
  explicit SigningContext(Context const& context) noexcept;
  ~SigningContext();
  SigningContext(SigningContext const&) = delete;
  SigningContext& operator=(SigningContext const&) = delete;

  /// The innermost one of this thread; one that never ends where there is none. Valid until that object ends.
  static Context const& Current() noexcept;

 private:
  Context const* outer_;
};

/// What the last signature on this thread that failed was thrown with; null where there is none. Asking again gives null.
MTLSPOP_EXPORT std::exception_ptr TakeSigningFailure() noexcept;

/// Tells why something failed that needed a signature. Where one on this thread has failed, throws `outer` with that failure
/// as its cause, or, where it was the context that ended, `cancelled` or `deadline_exceeded` as it is. Else returns.
///
/// Take what may be left of an earlier failure (`TakeSigningFailure`) before you begin.
MTLSPOP_EXPORT void ThrowSigningFailure(Error const& outer);

/// DigestInfo in DER (RFC 8017 section 9.2, step 2), which devices with PKCS#1 v1.5 want in place of a digest.
MTLSPOP_EXPORT std::vector<std::uint8_t> EncodeDigestInfo(
    DigestAlgorithm algorithm, gsl::span<std::uint8_t const> digest);

}  // namespace mtlspop::openssl
