#include "pkcs11_signer.hpp"

#include <atomic>

#include "mtlspop/credential/errors.hpp"

namespace mtlspop::pkcs11 {
namespace {

using openssl::DigestAlgorithm;
using openssl::SignatureAlgorithm;

std::uint64_t NextNumber() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

bool Has(Session const& session, CK_MECHANISM_TYPE type) {
  CK_MECHANISM_INFO info{};
  return session.Module->C_GetMechanismInfo(session.Slot, type, &info) == CKR_OK && (info.flags & CKF_SIGN) != 0;
}

CK_RSA_PKCS_PSS_PARAMS PssParameters(openssl::SignatureRequest const& request) {
  CK_RSA_PKCS_PSS_PARAMS parameters{};
  switch (request.Digest) {
    case DigestAlgorithm::Sha256:
      parameters.hashAlg = CKM_SHA256;
      parameters.mgf = CKG_MGF1_SHA256;
      break;
    case DigestAlgorithm::Sha384:
      parameters.hashAlg = CKM_SHA384;
      parameters.mgf = CKG_MGF1_SHA384;
      break;
    case DigestAlgorithm::Sha512:
      parameters.hashAlg = CKM_SHA512;
      parameters.mgf = CKG_MGF1_SHA512;
      break;
  }
  parameters.sLen = request.SaltBytes;
  return parameters;
}

CK_MECHANISM_TYPE MechanismOf(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::RsaPss:
      return CKM_RSA_PKCS_PSS;
    case SignatureAlgorithm::RsaPkcs1:
      return CKM_RSA_PKCS;
    case SignatureAlgorithm::RsaRaw:
      return CKM_RSA_X_509;
    case SignatureAlgorithm::Ecdsa:
      break;
  }
  return CKM_ECDSA;
}

}  // namespace

Pkcs11Signer::Pkcs11Signer(std::shared_ptr<Token> token, KeyFacts key, Context const& context)
    : token_(std::move(token)), key_(std::move(key)), number_(NextNumber()) {
  if (!key_.MaySign) {
    throw Error{
        {errors::KeyUnavailable, "The private key of the token may not sign",
         "Use a key with CKA_SIGN (pkcs11-tool --usage-sign)"}};
  }
  token_->Run(context, [this](Session const& session) {
    algorithms_.clear();
    for (auto const algorithm :
         {SignatureAlgorithm::RsaPss, SignatureAlgorithm::RsaPkcs1, SignatureAlgorithm::RsaRaw,
          SignatureAlgorithm::Ecdsa}) {
      bool const fits = (algorithm == SignatureAlgorithm::Ecdsa) != key_.IsRsa;
      if (fits && Has(session, MechanismOf(algorithm))) algorithms_.push_back(algorithm);
    }
  });
  if (algorithms_.empty()) {
    throw Error{
        {errors::KeyUnavailable, "The token has no mechanism to sign with such a key",
         "Look at `pkcs11-tool --list-mechanisms`: CKM_RSA_PKCS_PSS, CKM_RSA_X_509, CKM_RSA_PKCS or CKM_ECDSA is "
         "needed"}};
  }
}

Bytes Pkcs11Signer::Sign(openssl::SignatureRequest const& request, Context const& context) const {
  Bytes signature;
  token_->Run(context, [&](Session const& session) { signature = SignInSession(session, request, context); });
  return signature;
}

Bytes Pkcs11Signer::SignInSession(
    Session const& session, openssl::SignatureRequest const& request, Context const& context) const {
  auto const object = token_->Remember(number_, session, [this](Session const& found) {
    // Another process may be about to replace one under the same id.
    for (auto const& key : FindPrivateKeys(found, key_.Name)) {
      if (key.PublicKey == key_.PublicKey) return key.Object;
    }
    throw Error{
        {errors::PrivateKeyUnusable, "The token no longer has the private key",
         "Put the right token back, or have a new certificate issued"}};
  });
  auto parameters = PssParameters(request);
  CK_MECHANISM mechanism{MechanismOf(request.Algorithm), nullptr, 0};
  if (request.Algorithm == SignatureAlgorithm::RsaPss) {
    mechanism.pParameter = &parameters;
    mechanism.ulParameterLen = sizeof parameters;
  }
  auto input = request.Algorithm == SignatureAlgorithm::RsaPkcs1
                   ? openssl::EncodeDigestInfo(request.Digest, request.Input)
                   : Bytes{request.Input.begin(), request.Input.end()};
  constexpr char const* what = "The token does not sign";
  Token::Check(session.Module->C_SignInit(session.Handle, &mechanism, object), errors::PrivateKeyUnusable, what);
  if (key_.AsksEachTime) token_->AuthenticateOperation(session, context);
  Bytes signature(1024);
  CK_ULONG length = signature.size();
  Token::Check(
      session.Module->C_Sign(session.Handle, input.data(), input.size(), signature.data(), &length),
      errors::PrivateKeyUnusable, what);
  signature.resize(length);
  return signature;
}

}  // namespace mtlspop::pkcs11
