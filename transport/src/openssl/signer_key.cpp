#include "openssl/signer_key.hpp"

#include <algorithm>
#include <array>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <gsl/util>

#include "mtlspop/transport/error.hpp"
#include "openssl/rsa_padding.hpp"

namespace mtlspop::openssl {
namespace {

using Bytes = std::vector<std::uint8_t>;
using ByteView = gsl::span<std::uint8_t const>;
using EcdsaSigPtr = std::unique_ptr<ECDSA_SIG, Deleter<&ECDSA_SIG_free>>;

constexpr char const* KeyGoneAction =
    "What the signer threw is nested in this error. The key may have gone with its device, or with a reboot; a new "
    "binding certificate has to be "
    "issued "
    "then";

[[noreturn]] void RefuseKey(std::string what) {
  ERR_clear_error();
  throw Error{
      {errors::InvalidArgument, std::move(what),
       "Give the public key of the signer as SubjectPublicKeyInfo in DER: RSA of 2048 to 8192 bits, P-256 or P-384, "
       "and "
       "the algorithms that such a key has"}};
}

EvpPkeyPtr ReadPublicKey(Bytes const& der) {
  auto const* position = der.data();
  EvpPkeyPtr key{d2i_PUBKEY(nullptr, &position, static_cast<long>(der.size()))};
  if (!key || position != der.data() + der.size()) {
    RefuseKey("The public key of a signer cannot be read");
  }
  return key;
}

bool IsOnKnownCurve(EVP_PKEY* key) {
  std::array<char, 64> name{};
  if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name.data(), name.size(), nullptr) != 1) {
    return false;
  }
  return std::string_view{name.data()} == SN_X9_62_prime256v1 || std::string_view{name.data()} == SN_secp384r1;
}

/// r and s one behind the other, as ECDSA-Sig-Value (RFC 3279 section 2.2.3). Empty where that cannot be.
Bytes ToDer(Bytes const& signature) {
  auto const half = static_cast<int>(signature.size() / 2);
  EcdsaSigPtr const parts{ECDSA_SIG_new()};
  BIGNUM* const r = BN_bin2bn(signature.data(), half, nullptr);
  BIGNUM* const s = BN_bin2bn(signature.data() + half, half, nullptr);
  if (!parts || ECDSA_SIG_set0(parts.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return {};
  }
  int const length = i2d_ECDSA_SIG(parts.get(), nullptr);
  Bytes der(static_cast<std::size_t>(std::max(length, 0)));
  auto* out = der.data();
  i2d_ECDSA_SIG(parts.get(), &out);
  return der;
}

[[noreturn]] void ThrowWrong() {
  throw Error{
      {errors::PrivateKeyUnusable, "The signature that a signer gave is not of its public key",
       "Check that the device holds the key that the certificate is for, and which algorithms it has"}};
}

/// What signatures of that kind are checked with; null where it cannot be made.
EvpPkeyCtxPtr PrepareCheck(EVP_PKEY* key, SigningOrder const& order) noexcept {
  EvpPkeyCtxPtr context{EVP_PKEY_CTX_new(key, nullptr)};
  bool good = context && EVP_PKEY_verify_init(context.get()) == 1;
  if (good && EVP_PKEY_is_a(key, "RSA") == 1) {
    good = EVP_PKEY_CTX_set_rsa_padding(context.get(), order.Pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) == 1 &&
           (!order.Pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), static_cast<int>(order.SaltBytes)) == 1);
  }
  good = good && EVP_PKEY_CTX_set_signature_md(context.get(), EVP_get_digestbyname(DigestName(order.Digest))) == 1;
  return good ? std::move(context) : nullptr;
}

bool IsGood(
    EVP_PKEY_CTX* check, gsl::span<std::uint8_t const> digest, gsl::span<std::uint8_t const> signature) noexcept {
  return check != nullptr &&
         EVP_PKEY_verify(check, signature.data(), signature.size(), digest.data(), digest.size()) == 1;
}

/// What a key is tried for.
constexpr SignatureAlgorithm BestFirst[] = {
    SignatureAlgorithm::RsaPss, SignatureAlgorithm::RsaRaw, SignatureAlgorithm::RsaPkcs1, SignatureAlgorithm::Ecdsa};

thread_local Context const* currentContext = nullptr;
thread_local std::exception_ptr lastFailure;

}  // namespace

SignerKey::SignerKey(gsl::not_null<std::shared_ptr<Signer const>> signer)
    : signer_(std::move(signer)), public_(ReadPublicKey(signer_->SubjectPublicKeyInfo())) {
  isRsa_ = EVP_PKEY_is_a(public_.get(), "RSA") == 1;
  bits_ = static_cast<std::size_t>(EVP_PKEY_get_bits(public_.get()));
  bool const isKnown = isRsa_ ? bits_ >= 2048 && bits_ <= 8192
                              : EVP_PKEY_is_a(public_.get(), "EC") == 1 && IsOnKnownCurve(public_.get());
  if (!isKnown) {
    RefuseKey("The public key of a signer is of another kind than can be used here");
  }
  for (auto const algorithm : signer_->Algorithms()) {
    if ((algorithm == SignatureAlgorithm::Ecdsa) != isRsa_) {
      algorithms_.push_back(algorithm);
    }
  }
  if (algorithms_.empty()) {
    RefuseKey(std::string{"The signer has no algorithm for its key, which is "} + (isRsa_ ? "RSA" : "EC"));
  }
  PrepareChecks();
}

/// For what TLS, certificate requests and JWTs ask for: PSS with a salt as long as the digest, and PKCS#1 v1.5.
void SignerKey::PrepareChecks() {
  for (auto const digest : {DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512}) {
    for (bool const pss : {true, false}) {
      SigningOrder const order{digest, pss, pss ? DigestBytes(digest) : 0};
      auto context = isRsa_ || !pss ? PrepareCheck(public_.get(), order) : nullptr;
      if (context) checks_.push_back({order, std::move(context)});
    }
  }
}

std::exception_ptr SignerKey::FailureOf(
    SignatureAlgorithm algorithm, Probe const& probe, Context const& context) const {
  SigningOrder order;
  order.Pss = algorithm == SignatureAlgorithm::RsaPss || algorithm == SignatureAlgorithm::RsaRaw;
  order.SaltBytes = order.Pss ? probe.Digest.size() : 0;
  try {
    SignWith(algorithm, order, probe.Digest, probe.Data, context);
    return nullptr;
  } catch (...) {
    context.ThrowIfEnded("The trial signature");
    return std::current_exception();
  }
}

void SignerKey::Try(Context const& context) {
  Probe probe;
  if (RAND_bytes(probe.Data.data(), static_cast<int>(probe.Data.size())) != 1) {
    throw Error{{errors::SystemFailure, "The random generator gave nothing", "Check OpenSSL's installation"}};
  }
  EVP_Digest(probe.Data.data(), probe.Data.size(), probe.Digest.data(), nullptr, EVP_sha256(), nullptr);
  std::vector<SignatureAlgorithm> failed;
  std::exception_ptr first;
  bool works = false;
  for (auto const algorithm : BestFirst) {
    if (works || !Can(algorithm)) continue;
    auto const failure = FailureOf(algorithm, probe, context);
    works = failure == nullptr;
    if (works) continue;
    failed.push_back(algorithm);
    if (!first) first = failure;
  }
  if (!works) {
    Error const outer{{errors::PrivateKeyUnusable, "A private key was tried, and does not sign", KeyGoneAction}};
    KeepSigningFailure(first);
    ThrowSigningFailure(outer);
  }
  // The device works, and what it failed at may have been the moment's.
  for (auto const algorithm : failed) {
    if (FailureOf(algorithm, probe, context)) {
      algorithms_.erase(std::find(algorithms_.begin(), algorithms_.end(), algorithm));
    }
  }
}

bool SignerKey::Can(SignatureAlgorithm algorithm) const noexcept {
  return std::find(algorithms_.begin(), algorithms_.end(), algorithm) != algorithms_.end();
}

SignatureAlgorithm SignerKey::Choose(SigningOrder const& order) const {
  if (!isRsa_) {
    return SignatureAlgorithm::Ecdsa;
  }
  auto const wanted = order.Pss ? SignatureAlgorithm::RsaPss : SignatureAlgorithm::RsaPkcs1;
  if (Can(wanted)) {
    return wanted;
  }
  if (Can(SignatureAlgorithm::RsaRaw)) {
    return SignatureAlgorithm::RsaRaw;
  }
  throw Error{
      {errors::PrivateKeyUnusable,
       order.Pss ? "A signature with RSASSA-PSS was asked for, and the private key can do RSASSA-PKCS1-v1_5 only"
                 : "A signature with RSASSA-PKCS1-v1_5 was asked for, and the private key can do RSASSA-PSS only",
       order.Pss
           ? "Use a key that can do PSS for TLS 1.3, certificate requests and PS256; this one is good for TLS 1.2 "
             "and RS256"
           : "Ask for PSS (PS256, rsa_pss_rsae_sha256)"}};
}

std::vector<std::uint8_t> SignerKey::Ask(
    SignatureAlgorithm algorithm,
    SigningOrder const& order,
    gsl::span<std::uint8_t const> digest,
    gsl::span<std::uint8_t const> data,
    Context const& context) const {
  SignatureRequest request{algorithm, order.Digest, order.Pss ? order.SaltBytes : 0, digest};
  Bytes block;
  if (algorithm == SignatureAlgorithm::RsaRaw) {
    block = order.Pss ? PadPss(order.Digest, digest, order.SaltBytes, bits_)
                      : PadPkcs1(order.Digest, digest, (bits_ + 7) / 8);
    request.Input = block;
  } else if (signer_->SignsData()) {
    request.Input = data;
  }
  // A device's library may use OpenSSL too: what it leaves in the queue of errors is not the handshake's.
  ERR_set_mark();
  auto const forget = gsl::finally([] { ERR_pop_to_mark(); });
  return signer_->Sign(request, context);
}

bool SignerKey::Check(
    SigningOrder const& order,
    gsl::span<std::uint8_t const> digest,
    gsl::span<std::uint8_t const> signature) const noexcept {
  auto const prepared = std::find_if(checks_.begin(), checks_.end(), [&](PreparedCheck const& check) {
    return check.Order.Digest == order.Digest && check.Order.Pss == order.Pss &&
           check.Order.SaltBytes == order.SaltBytes;
  });
  if (prepared == checks_.end()) {
    return VerifySignature(public_.get(), order, digest, signature);
  }
  ERR_set_mark();
  EvpPkeyCtxPtr const context{EVP_PKEY_CTX_dup(prepared->Context.get())};
  bool const good = IsGood(context.get(), digest, signature);
  ERR_pop_to_mark();
  return good;
}

std::vector<std::uint8_t> SignerKey::Sign(
    SigningOrder const& order,
    gsl::span<std::uint8_t const> digest,
    gsl::span<std::uint8_t const> data,
    Context const& context) const {
  return SignWith(Choose(order), order, digest, data, context);
}

std::vector<std::uint8_t> SignerKey::SignWith(
    SignatureAlgorithm algorithm,
    SigningOrder const& order,
    gsl::span<std::uint8_t const> digest,
    gsl::span<std::uint8_t const> data,
    Context const& context) const {
  context.ThrowIfEnded("Signing");
  auto signature = Ask(algorithm, order, digest, data, context);
  // Too late: the handshake must not end well, and the request go out, after the caller's deadline.
  context.ThrowIfEnded("Signing");
  if (signature.size() != (isRsa_ ? (bits_ + 7) / 8 : 2 * ((bits_ + 7) / 8))) {
    ThrowWrong();
  }
  if (!isRsa_) {
    signature = ToDer(signature);
  }
  if (!Check(order, digest, signature)) {
    ThrowWrong();
  }
  return signature;
}

bool VerifySignature(
    EVP_PKEY* key,
    SigningOrder const& order,
    gsl::span<std::uint8_t const> digest,
    gsl::span<std::uint8_t const> signature) noexcept {
  ERR_set_mark();
  auto const context = PrepareCheck(key, order);
  bool const good = IsGood(context.get(), digest, signature);
  ERR_pop_to_mark();
  return good;
}

SigningContext::SigningContext(Context const& context) noexcept : outer_(currentContext) { currentContext = &context; }

SigningContext::~SigningContext() { currentContext = outer_; }

Context const& SigningContext::Current() noexcept {
  static Context const none;
  return currentContext != nullptr ? *currentContext : none;
}

void KeepSigningFailure(std::exception_ptr failure) noexcept { lastFailure = std::move(failure); }

std::exception_ptr TakeSigningFailure() noexcept { return std::exchange(lastFailure, nullptr); }

void ThrowSigningFailure(Error const& outer) {
  auto const failure = TakeSigningFailure();
  if (!failure) {
    return;
  }
  try {
    std::rethrow_exception(failure);
  } catch (Error const& own) {
    if (own.Code() == errors::Cancelled || own.Code() == errors::DeadlineExceeded) {
      throw;
    }
    std::throw_with_nested(outer);
  } catch (...) {
    std::throw_with_nested(outer);
  }
}

}  // namespace mtlspop::openssl
