#include <cstring>
#include <new>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "openssl/signer_provider.hpp"

namespace mtlspop::openssl {
namespace {

ProviderKey const& KeyOf(void const* key) noexcept { return *static_cast<ProviderKey const*>(key); }

void* New(void* /*provider*/) { return new (std::nothrow) ProviderKey; }

void Free(void* key) { delete static_cast<ProviderKey*>(key); }

void* Duplicate(void const* key, int /*selection*/) {
  auto const& source = KeyOf(key);
  auto* const copy = new (std::nothrow) ProviderKey;
  if (copy != nullptr) {
    copy->Signer = source.Signer;
    if (source.Imported) {
      EVP_PKEY_up_ref(source.Imported.get());
      copy->Imported.reset(source.Imported.get());
    }
  }
  return copy;
}

int Has(void const* key, int selection) {
  if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 && !KeyOf(key).Signer) {
    return 0;
  }
  return KeyOf(key).Public() != nullptr ? 1 : 0;
}

int Match(void const* left, void const* right, int /*selection*/) {
  auto* const one = KeyOf(left).Public();
  auto* const other = KeyOf(right).Public();
  return one != nullptr && other != nullptr && EVP_PKEY_eq(one, other) == 1 ? 1 : 0;
}

/// The public half of another provider's key. What else comes with it is left there.
EvpPkeyPtr ImportPublic(char const* name, OSSL_PARAM const* parameters) {
  EvpPkeyCtxPtr const context{EVP_PKEY_CTX_new_from_name(nullptr, name, nullptr)};
  EVP_PKEY* key = nullptr;
  if (context && EVP_PKEY_fromdata_init(context.get()) == 1) {
    EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, const_cast<OSSL_PARAM*>(parameters));
  }
  return EvpPkeyPtr{key};
}

int Import(void* key, char const* name, OSSL_PARAM const* parameters) {
  auto& target = *static_cast<ProviderKey*>(key);
  auto const* const signer = OSSL_PARAM_locate_const(parameters, SignerParameter);
  if (signer == nullptr) {
    target.Imported = ImportPublic(name, parameters);
    return target.Imported ? 1 : 0;
  }
  std::shared_ptr<SignerKey const> const* pointer = nullptr;
  if (signer->data_type != OSSL_PARAM_OCTET_STRING || signer->data_size != sizeof pointer) {
    return 0;
  }
  std::memcpy(&pointer, signer->data, sizeof pointer);
  target.Signer = *pointer;
  return 1;
}

int ImportRsa(void* key, int /*selection*/, OSSL_PARAM const parameters[]) { return Import(key, "RSA", parameters); }
int ImportEc(void* key, int /*selection*/, OSSL_PARAM const parameters[]) { return Import(key, "EC", parameters); }

/// The private key cannot leave. Were the public half given in its place, another provider would try to sign with it.
int Export(void* key, int selection, OSSL_CALLBACK* callback, void* argument) {
  if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 || KeyOf(key).Public() == nullptr) {
    return 0;
  }
  return EVP_PKEY_export(KeyOf(key).Public(), selection, callback, argument);
}

int GetParameters(void* key, OSSL_PARAM parameters[]) {
  auto const& source = KeyOf(key);
  if (source.Public() == nullptr) {
    return 0;
  }
  auto* const signer = OSSL_PARAM_locate(parameters, SignerParameter);
  if (signer != nullptr && source.Signer) {
    auto const* const pointer = source.Signer.get();
    return OSSL_PARAM_set_octet_string(signer, &pointer, sizeof pointer);
  }
  return EVP_PKEY_get_params(source.Public(), parameters);
}

OSSL_PARAM const* GettableParameters(void* /*provider*/) {
  static OSSL_PARAM const parameters[] = {
      OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, nullptr),
      OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, nullptr),
      OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, nullptr),
      OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, nullptr, 0),
      OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, nullptr, 0),
      OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, nullptr, 0),
      OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0),
      OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, nullptr, 0),
      OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, nullptr, 0),
      OSSL_PARAM_octet_string(SignerParameter, nullptr, 0),
      OSSL_PARAM_END};
  return parameters;
}

OSSL_PARAM const* ImportTypesOf(OSSL_PARAM const* parameters, int selection) {
  return (selection & (OSSL_KEYMGMT_SELECT_KEYPAIR | OSSL_KEYMGMT_SELECT_ALL_PARAMETERS)) != 0 ? parameters : nullptr;
}

OSSL_PARAM const* RsaTypes(int selection) {
  static OSSL_PARAM const parameters[] = {
      OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, nullptr, 0), OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, nullptr, 0),
      OSSL_PARAM_octet_string(SignerParameter, nullptr, 0), OSSL_PARAM_END};
  return ImportTypesOf(parameters, selection);
}

OSSL_PARAM const* EcTypes(int selection) {
  static OSSL_PARAM const parameters[] = {
      OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0),
      OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, nullptr, 0),
      OSSL_PARAM_octet_string(SignerParameter, nullptr, 0), OSSL_PARAM_END};
  return ImportTypesOf(parameters, selection);
}

char const* EcOperation(int operation) { return operation == OSSL_OP_SIGNATURE ? "ECDSA" : nullptr; }

template <class Function>
constexpr OSSL_DISPATCH Entry(int number, Function* function) {
  return {number, reinterpret_cast<void (*)()>(function)};
}

}  // namespace

OSSL_DISPATCH const RsaKeyFunctions[] = {
    Entry(OSSL_FUNC_KEYMGMT_NEW, &New),
    Entry(OSSL_FUNC_KEYMGMT_FREE, &Free),
    Entry(OSSL_FUNC_KEYMGMT_DUP, &Duplicate),
    Entry(OSSL_FUNC_KEYMGMT_HAS, &Has),
    Entry(OSSL_FUNC_KEYMGMT_MATCH, &Match),
    Entry(OSSL_FUNC_KEYMGMT_IMPORT, &ImportRsa),
    Entry(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, &RsaTypes),
    Entry(OSSL_FUNC_KEYMGMT_EXPORT, &Export),
    Entry(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, &RsaTypes),
    Entry(OSSL_FUNC_KEYMGMT_GET_PARAMS, &GetParameters),
    Entry(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, &GettableParameters),
    {0, nullptr}};

OSSL_DISPATCH const EcKeyFunctions[] = {
    Entry(OSSL_FUNC_KEYMGMT_NEW, &New),
    Entry(OSSL_FUNC_KEYMGMT_FREE, &Free),
    Entry(OSSL_FUNC_KEYMGMT_DUP, &Duplicate),
    Entry(OSSL_FUNC_KEYMGMT_HAS, &Has),
    Entry(OSSL_FUNC_KEYMGMT_MATCH, &Match),
    Entry(OSSL_FUNC_KEYMGMT_IMPORT, &ImportEc),
    Entry(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, &EcTypes),
    Entry(OSSL_FUNC_KEYMGMT_EXPORT, &Export),
    Entry(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, &EcTypes),
    Entry(OSSL_FUNC_KEYMGMT_GET_PARAMS, &GetParameters),
    Entry(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, &GettableParameters),
    Entry(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, &EcOperation),
    {0, nullptr}};

}  // namespace mtlspop::openssl
