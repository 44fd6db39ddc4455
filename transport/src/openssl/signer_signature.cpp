#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <system_error>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "mtlspop/transport/error.hpp"
#include "openssl/rsa_padding.hpp"
#include "openssl/signer_provider.hpp"

namespace mtlspop::openssl {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Asn1StringPtr = std::unique_ptr<ASN1_STRING, Deleter<&ASN1_STRING_free>>;
using AlgorithmPtr = std::unique_ptr<X509_ALGOR, Deleter<&X509_ALGOR_free>>;
using PssParametersPtr = std::unique_ptr<RSA_PSS_PARAMS, Deleter<&RSA_PSS_PARAMS_free>>;

/// One signature, or the check of one.
struct Operation {
  std::shared_ptr<SignerKey const> Signer;
  EvpPkeyPtr Public;
  std::optional<DigestAlgorithm> Digest;
  bool Pss = false;
  int Salt = RSA_PSS_SALTLEN_DIGEST;
  /// The digest so far. While there is one, `Digest` says which.
  EvpMdCtxPtr Running;
  /// The data so far, for signers that want it.
  Bytes Data;

  bool IsRsa() const noexcept { return EVP_PKEY_is_a(Public.get(), "RSA") == 1; }
  SigningOrder Order() const;
};

SigningOrder Operation::Order() const {
  auto const digest = Digest.value_or(DigestAlgorithm::Sha256);
  SigningOrder order{digest, Pss, 0};
  if (Pss) {
    auto const most = static_cast<std::size_t>(EVP_PKEY_get_bits(Public.get()) + 6) / 8 - DigestBytes(digest) - 2;
    order.SaltBytes = Salt == RSA_PSS_SALTLEN_DIGEST ? DigestBytes(digest)
                      : Salt < 0                     ? most
                                                     : static_cast<std::size_t>(Salt);
  }
  return order;
}

Operation& Of(void* operation) noexcept { return *static_cast<Operation*>(operation); }

void* New(void* /*provider*/, char const* /*properties*/) { return new (std::nothrow) Operation; }

void Free(void* operation) { delete static_cast<Operation*>(operation); }

int Copy(Operation const& source, Operation& target) {
  target.Signer = source.Signer;
  EVP_PKEY_up_ref(source.Public.get());
  target.Public.reset(source.Public.get());
  target.Digest = source.Digest;
  target.Pss = source.Pss;
  target.Salt = source.Salt;
  target.Data = source.Data;
  if (source.Running) {
    target.Running.reset(EVP_MD_CTX_new());
    return target.Running && EVP_MD_CTX_copy_ex(target.Running.get(), source.Running.get()) == 1 ? 1 : 0;
  }
  return 1;
}

void* Duplicate(void* operation) {
  auto copy = std::unique_ptr<Operation>{new (std::nothrow) Operation};
  bool const good = copy && Of(operation).Public && Guarded([&] { return Copy(Of(operation), *copy); }) == 1;
  return good ? copy.release() : nullptr;
}

std::optional<DigestAlgorithm> FindDigest(char const* name) {
  for (auto const algorithm : {DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512}) {
    auto const* const digest = EVP_get_digestbyname(DigestName(algorithm));
    if (digest != nullptr && EVP_MD_is_a(digest, name) == 1) {
      return algorithm;
    }
  }
  return std::nullopt;
}

/// A text parameter; null where it is none.
char const* TextOf(OSSL_PARAM const* parameter) {
  return parameter != nullptr && parameter->data_type == OSSL_PARAM_UTF8_STRING
             ? static_cast<char const*>(parameter->data)
             : nullptr;
}

int SetPadding(Operation& operation, OSSL_PARAM const* parameter) {
  int mode = 0;
  if (auto const* const text = TextOf(parameter)) {
    mode = std::strcmp(text, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0       ? RSA_PKCS1_PSS_PADDING
           : std::strcmp(text, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0 ? RSA_PKCS1_PADDING
                                                                    : 0;
  } else if (OSSL_PARAM_get_int(parameter, &mode) != 1) {
    return 0;
  }
  if (mode != RSA_PKCS1_PADDING && mode != RSA_PKCS1_PSS_PADDING) {
    return RaiseError("a signer's key knows the paddings of PKCS#1 v1.5 and PSS only");
  }
  operation.Pss = mode == RSA_PKCS1_PSS_PADDING;
  return 1;
}

int SetSalt(Operation& operation, OSSL_PARAM const* parameter) {
  auto const* const text = TextOf(parameter);
  if (text == nullptr) {
    return OSSL_PARAM_get_int(parameter, &operation.Salt);
  }
  std::string_view const name{text};
  if (name == OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) {
    operation.Salt = RSA_PSS_SALTLEN_DIGEST;
  } else if (name == OSSL_PKEY_RSA_PSS_SALT_LEN_MAX) {
    operation.Salt = RSA_PSS_SALTLEN_MAX;
  } else if (name == OSSL_PKEY_RSA_PSS_SALT_LEN_AUTO) {
    operation.Salt = RSA_PSS_SALTLEN_AUTO;
  } else {
    return std::from_chars(name.data(), name.data() + name.size(), operation.Salt).ec == std::errc{} ? 1 : 0;
  }
  return 1;
}

int SetDigest(Operation& operation, char const* name) {
  auto const digest = FindDigest(name);
  if (!digest) {
    return RaiseError("a signer's key signs SHA-256, SHA-384 and SHA-512 only");
  }
  // Room is made for the digest by this name at the end.
  if (operation.Running && digest != operation.Digest) {
    return RaiseError("another digest is running already");
  }
  operation.Digest = digest;
  return 1;
}

int SetParameters(void* pointer, OSSL_PARAM const parameters[]) {
  auto& operation = Of(pointer);
  if (parameters == nullptr) {
    return 1;
  }
  auto const* const digest = OSSL_PARAM_locate_const(parameters, OSSL_SIGNATURE_PARAM_DIGEST);
  if (digest != nullptr && (TextOf(digest) == nullptr || SetDigest(operation, TextOf(digest)) != 1)) {
    return 0;
  }
  auto const* const padding = OSSL_PARAM_locate_const(parameters, OSSL_SIGNATURE_PARAM_PAD_MODE);
  if (padding != nullptr && SetPadding(operation, padding) != 1) {
    return 0;
  }
  auto const* const salt = OSSL_PARAM_locate_const(parameters, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
  if (salt != nullptr && SetSalt(operation, salt) != 1) {
    return 0;
  }
  auto const* const mask = TextOf(OSSL_PARAM_locate_const(parameters, OSSL_SIGNATURE_PARAM_MGF1_DIGEST));
  if (mask != nullptr && FindDigest(mask) != operation.Digest) {
    return RaiseError("a signer's key makes the mask of PSS with the same digest as the signature");
  }
  return 1;
}

OSSL_PARAM const* SettableRsaParameters(void* /*operation*/, void* /*provider*/) {
  static OSSL_PARAM const parameters[] = {
      OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, nullptr, 0),
      OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, nullptr, 0),
      OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, nullptr, 0),
      OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, nullptr, 0), OSSL_PARAM_END};
  return parameters;
}

OSSL_PARAM const* SettableEcdsaParameters(void* /*operation*/, void* /*provider*/) {
  static OSSL_PARAM const parameters[] = {
      OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, nullptr, 0), OSSL_PARAM_END};
  return parameters;
}

int DigestNid(DigestAlgorithm algorithm) { return EVP_MD_get_type(EVP_get_digestbyname(DigestName(algorithm))); }

/// Gives `parameter` to `identifier`. False where there is no memory for it.
bool SetAlgorithm(X509_ALGOR* identifier, int nid, Asn1StringPtr parameter) {
  if (X509_ALGOR_set0(identifier, OBJ_nid2obj(nid), V_ASN1_SEQUENCE, parameter.get()) != 1) {
    return false;
  }
  static_cast<void>(parameter.release());
  return true;
}

/// Null where there is no memory for it.
AlgorithmPtr DigestIdentifier(DigestAlgorithm algorithm) {
  AlgorithmPtr identifier{X509_ALGOR_new()};
  if (identifier) {
    X509_ALGOR_set_md(identifier.get(), EVP_get_digestbyname(DigestName(algorithm)));
  }
  return identifier;
}

/// RSASSA-PSS-params (RFC 4055 section 3.1), with everything written out: what is left out stands for SHA-1. Null where there is
/// no memory for it.
Asn1StringPtr EncodePssParameters(SigningOrder const& order) {
  PssParametersPtr const parameters{RSA_PSS_PARAMS_new()};
  auto digest = DigestIdentifier(order.Digest);
  auto const mask = DigestIdentifier(order.Digest);
  if (!parameters || !digest || !mask) {
    return nullptr;
  }
  Asn1StringPtr maskDigest{ASN1_item_pack(mask.get(), ASN1_ITEM_rptr(X509_ALGOR), nullptr)};
  parameters->hashAlgorithm = digest.release();
  parameters->maskGenAlgorithm = X509_ALGOR_new();
  parameters->saltLength = ASN1_INTEGER_new();
  if (!maskDigest || parameters->maskGenAlgorithm == nullptr || parameters->saltLength == nullptr ||
      !SetAlgorithm(parameters->maskGenAlgorithm, NID_mgf1, std::move(maskDigest)) ||
      ASN1_INTEGER_set(parameters->saltLength, static_cast<long>(order.SaltBytes)) != 1) {
    return nullptr;
  }
  return Asn1StringPtr{ASN1_item_pack(parameters.get(), ASN1_ITEM_rptr(RSA_PSS_PARAMS), nullptr)};
}

/// The AlgorithmIdentifier that certificate requests name the signature by. Null where there is no memory for it.
AlgorithmPtr SignatureIdentifier(Operation const& operation) {
  AlgorithmPtr identifier{X509_ALGOR_new()};
  if (!identifier || !operation.Digest) {
    return nullptr;
  }
  int signature = NID_rsassaPss;
  if (operation.Pss) {
    auto parameters = EncodePssParameters(operation.Order());
    if (!parameters || !SetAlgorithm(identifier.get(), signature, std::move(parameters))) {
      return nullptr;
    }
    return identifier;
  }
  bool const rsa = operation.IsRsa();
  if (OBJ_find_sigid_by_algs(
          &signature, DigestNid(*operation.Digest), rsa ? NID_rsaEncryption : NID_X9_62_id_ecPublicKey) != 1 ||
      X509_ALGOR_set0(identifier.get(), OBJ_nid2obj(signature), rsa ? V_ASN1_NULL : V_ASN1_UNDEF, nullptr) != 1) {
    return nullptr;
  }
  return identifier;
}

int GetParameters(void* pointer, OSSL_PARAM parameters[]) {
  auto const& operation = Of(pointer);
  auto* const identifier = OSSL_PARAM_locate(parameters, OSSL_SIGNATURE_PARAM_ALGORITHM_ID);
  if (identifier != nullptr) {
    auto const made = SignatureIdentifier(operation);
    unsigned char* der = nullptr;
    int const length = made ? i2d_X509_ALGOR(made.get(), &der) : -1;
    bool const set = length > 0 && OSSL_PARAM_set_octet_string(identifier, der, static_cast<std::size_t>(length)) == 1;
    OPENSSL_free(der);
    if (!set) {
      return 0;
    }
  }
  auto* const digest = OSSL_PARAM_locate(parameters, OSSL_SIGNATURE_PARAM_DIGEST);
  if (digest != nullptr && operation.Digest && OSSL_PARAM_set_utf8_string(digest, DigestName(*operation.Digest)) != 1) {
    return 0;
  }
  auto* const padding = OSSL_PARAM_locate(parameters, OSSL_SIGNATURE_PARAM_PAD_MODE);
  if (padding == nullptr) {
    return 1;
  }
  if (padding->data_type == OSSL_PARAM_UTF8_STRING) {
    return OSSL_PARAM_set_utf8_string(
        padding, operation.Pss ? OSSL_PKEY_RSA_PAD_MODE_PSS : OSSL_PKEY_RSA_PAD_MODE_PKCSV15);
  }
  return OSSL_PARAM_set_int(padding, operation.Pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING);
}

OSSL_PARAM const* GettableParameters(void* /*operation*/, void* /*provider*/) {
  static OSSL_PARAM const parameters[] = {
      OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, nullptr, 0),
      OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, nullptr, 0),
      OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, nullptr, 0), OSSL_PARAM_END};
  return parameters;
}

int SetKey(Operation& operation, void* key) {
  if (key == nullptr) {
    return operation.Public ? 1 : 0;
  }
  auto const& source = *static_cast<ProviderKey const*>(key);
  if (source.Public() == nullptr) {
    return 0;
  }
  operation.Signer = source.Signer;
  EVP_PKEY_up_ref(source.Public());
  operation.Public.reset(source.Public());
  return 1;
}

int Begin(void* operation, void* key, OSSL_PARAM const parameters[]) {
  return Guarded([&] { return SetKey(Of(operation), key) == 1 ? SetParameters(operation, parameters) : 0; });
}

int BeginSigning(void* operation, void* key, OSSL_PARAM const parameters[]) {
  return Begin(operation, key, parameters) == 1 && Of(operation).Signer ? 1 : 0;
}

int BeginDigest(void* pointer, char const* name, void* key, OSSL_PARAM const parameters[]) {
  auto& operation = Of(pointer);
  return Guarded([&] {
    operation.Data.clear();
    operation.Running.reset();
    bool const named = name != nullptr && name[0] != '\0';
    if (SetKey(operation, key) != 1 || SetDigest(operation, named ? name : "SHA256") != 1 ||
        SetParameters(pointer, parameters) != 1) {
      return 0;
    }
    auto const* const digest = EVP_get_digestbyname(DigestName(*operation.Digest));
    EvpMdCtxPtr running{EVP_MD_CTX_new()};
    if (!running || EVP_DigestInit_ex(running.get(), digest, nullptr) != 1) {
      return 0;
    }
    operation.Running = std::move(running);
    return 1;
  });
}

int BeginDigestSigning(void* operation, char const* name, void* key, OSSL_PARAM const parameters[]) {
  return BeginDigest(operation, name, key, parameters) == 1 && Of(operation).Signer ? 1 : 0;
}

int Update(void* pointer, unsigned char const* data, std::size_t length) {
  auto& operation = Of(pointer);
  return Guarded([&] {
    if (operation.Signer && operation.Signer->SignsData()) {
      operation.Data.insert(operation.Data.end(), data, data + length);
    }
    return operation.Running && EVP_DigestUpdate(operation.Running.get(), data, length) == 1 ? 1 : 0;
  });
}

/// Where OpenSSL only asks how long a signature can be, it gives no room.
int TellSize(Operation const& operation, std::size_t* length) {
  int const most = EVP_PKEY_get_size(operation.Public.get());
  *length = static_cast<std::size_t>(most);
  return most > 0 ? 1 : 0;
}

int Deliver(Bytes const& signature, unsigned char* out, std::size_t* length, std::size_t room) {
  if (signature.size() > room) {
    return RaiseError("there is no room for the signature");
  }
  std::memcpy(out, signature.data(), signature.size());
  *length = signature.size();
  return 1;
}

int Sign(
    void* pointer,
    unsigned char* out,
    std::size_t* length,
    std::size_t room,
    unsigned char const* digest,
    std::size_t digestLength) {
  auto const& operation = Of(pointer);
  if (out == nullptr) {
    return TellSize(operation, length);
  }
  return Guarded([&] {
    auto const order = operation.Order();
    if (operation.Signer->SignsData() || digestLength != DigestBytes(order.Digest)) {
      return RaiseError("this signer's key signs data, or a digest whose algorithm has been said");
    }
    return Deliver(
        operation.Signer->Sign(order, {digest, digestLength}, {}, SigningContext::Current()), out, length, room);
  });
}

int FinishSigning(void* pointer, unsigned char* out, std::size_t* length, std::size_t room) {
  auto const& operation = Of(pointer);
  if (out == nullptr) {
    return TellSize(operation, length);
  }
  return Guarded([&] {
    Bytes digest(DigestBytes(*operation.Digest));
    if (!operation.Running || EVP_DigestFinal_ex(operation.Running.get(), digest.data(), nullptr) != 1) {
      return 0;
    }
    return Deliver(
        operation.Signer->Sign(operation.Order(), digest, operation.Data, SigningContext::Current()), out, length,
        room);
  });
}

int Verify(
    void* pointer,
    unsigned char const* signature,
    std::size_t length,
    unsigned char const* digest,
    std::size_t digestLength) {
  auto const& operation = Of(pointer);
  return VerifySignature(operation.Public.get(), operation.Order(), {digest, digestLength}, {signature, length}) ? 1
                                                                                                                 : 0;
}

int FinishVerifying(void* pointer, unsigned char const* signature, std::size_t length) {
  auto const& operation = Of(pointer);
  return Guarded([&] {
    Bytes digest(DigestBytes(*operation.Digest));
    return operation.Running && EVP_DigestFinal_ex(operation.Running.get(), digest.data(), nullptr) == 1
               ? Verify(pointer, signature, length, digest.data(), digest.size())
               : 0;
  });
}

template <class Function>
constexpr OSSL_DISPATCH Entry(int number, Function* function) {
  return {number, reinterpret_cast<void (*)()>(function)};
}

}  // namespace

OSSL_DISPATCH const RsaSignatureFunctions[] = {
    Entry(OSSL_FUNC_SIGNATURE_NEWCTX, &New),
    Entry(OSSL_FUNC_SIGNATURE_FREECTX, &Free),
    Entry(OSSL_FUNC_SIGNATURE_DUPCTX, &Duplicate),
    Entry(OSSL_FUNC_SIGNATURE_SIGN_INIT, &BeginSigning),
    Entry(OSSL_FUNC_SIGNATURE_SIGN, &Sign),
    Entry(OSSL_FUNC_SIGNATURE_VERIFY_INIT, &Begin),
    Entry(OSSL_FUNC_SIGNATURE_VERIFY, &Verify),
    Entry(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, &BeginDigestSigning),
    Entry(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, &Update),
    Entry(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, &FinishSigning),
    Entry(OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_INIT, &BeginDigest),
    Entry(OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_UPDATE, &Update),
    Entry(OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_FINAL, &FinishVerifying),
    Entry(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, &SetParameters),
    Entry(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, &SettableRsaParameters),
    Entry(OSSL_FUNC_SIGNATURE_GET_CTX_PARAMS, &GetParameters),
    Entry(OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, &GettableParameters),
    {0, nullptr}};

OSSL_DISPATCH const EcdsaSignatureFunctions[] = {
    Entry(OSSL_FUNC_SIGNATURE_NEWCTX, &New),
    Entry(OSSL_FUNC_SIGNATURE_FREECTX, &Free),
    Entry(OSSL_FUNC_SIGNATURE_DUPCTX, &Duplicate),
    Entry(OSSL_FUNC_SIGNATURE_SIGN_INIT, &BeginSigning),
    Entry(OSSL_FUNC_SIGNATURE_SIGN, &Sign),
    Entry(OSSL_FUNC_SIGNATURE_VERIFY_INIT, &Begin),
    Entry(OSSL_FUNC_SIGNATURE_VERIFY, &Verify),
    Entry(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, &BeginDigestSigning),
    Entry(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, &Update),
    Entry(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, &FinishSigning),
    Entry(OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_INIT, &BeginDigest),
    Entry(OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_UPDATE, &Update),
    Entry(OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_FINAL, &FinishVerifying),
    Entry(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, &SetParameters),
    Entry(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, &SettableEcdsaParameters),
    Entry(OSSL_FUNC_SIGNATURE_GET_CTX_PARAMS, &GetParameters),
    Entry(OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, &GettableParameters),
    {0, nullptr}};

}  // namespace mtlspop::openssl
