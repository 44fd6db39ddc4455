#include "openssl/signer_provider.hpp"

#include <atomic>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/provider.h>

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/required.hpp"

namespace mtlspop::openssl {
namespace {

constexpr char const* ProviderName = "mtlspop";
constexpr char const* Property = "provider=mtlspop";

OSSL_ALGORITHM const KeyAlgorithms[] = {
    {"RSA:rsaEncryption:1.2.840.113549.1.1.1", Property, RsaKeyFunctions, "RSA keys of a signer"},
    {"EC:id-ecPublicKey:1.2.840.10045.2.1", Property, EcKeyFunctions, "EC keys of a signer"},
    {nullptr, nullptr, nullptr, nullptr}};

OSSL_ALGORITHM const SignatureAlgorithms[] = {
    {"RSA:rsaEncryption:1.2.840.113549.1.1.1", Property, RsaSignatureFunctions, "RSA signatures of a signer"},
    {"ECDSA", Property, EcdsaSignatureFunctions, "ECDSA signatures of a signer"},
    {nullptr, nullptr, nullptr, nullptr}};

OSSL_ALGORITHM const* QueryOperation(void* /*provider*/, int operation, int* noCache) {
  *noCache = 0;
  switch (operation) {
    case OSSL_OP_KEYMGMT:
      return KeyAlgorithms;
    case OSSL_OP_SIGNATURE:
      return SignatureAlgorithms;
    default:
      return nullptr;
  }
}

OSSL_DISPATCH const ProviderFunctions[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, reinterpret_cast<void (*)()>(&QueryOperation)}, {0, nullptr}};

int Initialize(
    OSSL_CORE_HANDLE const* /*handle*/,
    OSSL_DISPATCH const* /*core*/,
    OSSL_DISPATCH const** functions,
    void** provider) {
  static int nothing = 0;
  *functions = ProviderFunctions;
  *provider = &nothing;
  return 1;
}

OSSL_LIB_CTX* MakeLibrary() {
  OSSL_LIB_CTX* const made = OSSL_LIB_CTX_new();
  bool const good = made != nullptr && OSSL_PROVIDER_add_builtin(made, ProviderName, &Initialize) == 1 &&
                    OSSL_PROVIDER_load(made, "default") != nullptr && OSSL_PROVIDER_load(made, ProviderName) != nullptr;
  if (!good) {
    OSSL_LIB_CTX_free(made);
  }
  return good ? made : nullptr;
}

/// A library context of its own: in the default one this provider would be asked for every RSA key of the process. The
/// default provider is beside it for encodings. Never freed: keys may outlive static destruction. Null where there is no
/// memory for it; the next call tries again.
OSSL_LIB_CTX* OwnLibrary() {
  static std::atomic<OSSL_LIB_CTX*> library{nullptr};
  OSSL_LIB_CTX* known = library;
  if (known != nullptr) {
    return known;
  }
  OSSL_LIB_CTX* const made = MakeLibrary();
  if (made == nullptr || library.compare_exchange_strong(known, made)) {
    return made;
  }
  // Another thread was quicker.
  OSSL_LIB_CTX_free(made);
  return known;
}

EVP_PKEY* MakeKey(std::shared_ptr<SignerKey const> const& key) {
  auto const* pointer = &key;
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(SignerParameter, &pointer, sizeof pointer), OSSL_PARAM_construct_end()};
  auto* const library = OwnLibrary();
  EvpPkeyCtxPtr const context{
      library != nullptr ? EVP_PKEY_CTX_new_from_name(library, key->IsRsa() ? "RSA" : "EC", Property) : nullptr};
  EVP_PKEY* made = nullptr;
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_KEYPAIR, parameters) != 1) {
    ERR_clear_error();
    throw Error{
        {errors::SystemFailure, "OpenSSL could not make a key for a signer",
         "Check that OpenSSL 3 is installed whole, and the process's memory"}};
  }
  return made;
}

/// The signer behind a key, null where there is none. A key of another provider has no such parameter.
SignerKey const* FindSigner(EVP_PKEY const* key) {
  SignerKey const* signer = nullptr;
  std::size_t length = 0;
  ERR_set_mark();
  bool const found = EVP_PKEY_get_octet_string_param(
                         key, SignerParameter, reinterpret_cast<unsigned char*>(&signer), sizeof signer, &length) == 1;
  ERR_pop_to_mark();
  return found && length == sizeof signer ? signer : nullptr;
}

}  // namespace

int RaiseError(char const* what) noexcept {
  static int const library = [] {
    int const number = ERR_get_next_error_library();
    static ERR_STRING_DATA texts[] = {{0, "the signer of a private key failed"}, {0, nullptr}};
    texts[0].error = ERR_PACK(number, 0, 1);
    ERR_load_strings(number, texts);
    return number;
  }();
  ERR_raise_data(library, 1, "%s", what);
  return 0;
}

gsl::not_null<std::shared_ptr<EVP_PKEY>> MakeSignerKey(std::shared_ptr<Signer const> signer, Context const& context) {
  auto const given = Required(std::move(signer), "The signer");
  auto key = std::make_shared<SignerKey>(given);
  key->Try(context);
  return std::shared_ptr<EVP_PKEY>{MakeKey(key), &EVP_PKEY_free};
}

std::string ClientSignatureAlgorithms(EVP_PKEY const* key) {
  auto const* const signer = FindSigner(key);
  if (signer == nullptr) {
    return {};
  }
  if (!signer->IsRsa()) {
    return "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512";
  }
  bool const raw = signer->Can(SignatureAlgorithm::RsaRaw);
  std::string list;
  if (raw || signer->Can(SignatureAlgorithm::RsaPss)) {
    list = "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512";
  }
  if (raw || signer->Can(SignatureAlgorithm::RsaPkcs1)) {
    list += std::string{list.empty() ? "" : ":"} + "rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512";
  }
  return list;
}

}  // namespace mtlspop::openssl
