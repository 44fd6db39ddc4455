#include "schannel/certificate_keys.hpp"

#include <memory>
#include <type_traits>
#include <utility>

#include <windows.h>

#include <bcrypt.h>

#include <gsl/util>

#include "mtlspop/transport/error.hpp"
#include "schannel/system_error.hpp"

namespace mtlspop::schannel {
namespace {

using Blob = std::vector<std::uint8_t>;

[[noreturn]] void Unusable(std::string what, std::uint32_t status) {
  ErrorDetails details{
      errors::PrivateKeyUnusable, std::move(what) + ": " + DescribeStatus(status),
      "Check that the key still exists and that this account may use it; a KeyGuard key is gone after a reboot, and "
      "the "
      "binding has to be made anew"};
  details.NothingSent = true;
  throw Error{std::move(details)};
}

struct DestroyKey {
  void operator()(void* key) const noexcept { BCryptDestroyKey(key); }
};
using BCryptKeyPtr = std::unique_ptr<void, DestroyKey>;

Blob ExportPublicKey(BCRYPT_KEY_HANDLE key) {
  for (auto const* const format : {BCRYPT_RSAPUBLIC_BLOB, BCRYPT_ECCPUBLIC_BLOB}) {
    ULONG bytes = 0;
    if (BCryptExportKey(key, nullptr, format, nullptr, 0, &bytes, 0) != 0) {
      continue;
    }
    Blob blob(bytes);
    if (BCryptExportKey(key, nullptr, format, blob.data(), bytes, &bytes, 0) == 0) {
      blob.resize(bytes);
      return blob;
    }
  }
  return {};
}

std::wstring TextProperty(CertificateFunctions& functions, NCRYPT_HANDLE object, wchar_t const* name) {
  DWORD bytes = 0;
  if (functions.GetKeyProperty(object, name, nullptr, 0, &bytes) != 0 || bytes < sizeof(wchar_t)) {
    return {};
  }
  std::wstring text(bytes / sizeof(wchar_t), L'\0');
  if (functions.GetKeyProperty(object, name, reinterpret_cast<BYTE*>(text.data()), bytes, &bytes) != 0) {
    return {};
  }
  return text.substr(0, text.find(L'\0'));
}

/// SChannel signs in the process of the local security authority, which finds a persisted key by its name. A key without
/// a name has the handle alone.
void AttachName(CertificateFunctions& functions, PCCERT_CONTEXT context, NCRYPT_KEY_HANDLE key) {
  auto name = TextProperty(functions, key, NCRYPT_NAME_PROPERTY);
  NCRYPT_PROV_HANDLE provider = 0;
  DWORD needed = 0;
  if (name.empty() ||
      functions.GetKeyProperty(
          key, NCRYPT_PROVIDER_HANDLE_PROPERTY, reinterpret_cast<BYTE*>(&provider), sizeof provider, &needed) != 0) {
    return;
  }
  auto const freeProvider = gsl::finally([&] { functions.FreeObject(provider); });
  auto providerName = TextProperty(functions, provider, NCRYPT_NAME_PROPERTY);
  DWORD keyType = 0;
  functions.GetKeyProperty(key, NCRYPT_KEY_TYPE_PROPERTY, reinterpret_cast<BYTE*>(&keyType), sizeof keyType, &needed);
  CRYPT_KEY_PROV_INFO info{};
  info.pwszContainerName = name.data();
  info.pwszProvName = providerName.data();
  info.dwFlags = (keyType & NCRYPT_MACHINE_KEY_FLAG) != 0 ? CRYPT_MACHINE_KEYSET : 0;
  if (!functions.SetProperty(context, CERT_KEY_PROV_INFO_PROP_ID, CERT_SET_PROPERTY_INHIBIT_PERSIST_FLAG, &info)) {
    Unusable("The key's name could not be attached to the certificate", functions.LastError());
  }
}

/// With CERT_KEY_CONTEXT_PROP_ID, whose value is a structure beyond doubt. For CERT_NCRYPT_KEY_HANDLE_PROP_ID the
/// documentation wants a pointer to the handle, and widely used code passes the handle itself. It is what Windows reads
/// the handle back as.
void AttachHandle(
    CertificateFunctions& functions, PCCERT_CONTEXT context, HCRYPTPROV_OR_NCRYPT_KEY_HANDLE key, DWORD keySpec) {
  CERT_KEY_CONTEXT keyContext{};
  keyContext.cbSize = sizeof keyContext;
  if (keySpec == CERT_NCRYPT_KEY_SPEC) {
    keyContext.hNCryptKey = key;
  } else {
    keyContext.hCryptProv = key;
  }
  keyContext.dwKeySpec = keySpec;
  // The context must not free the key: its owner does, exactly once.
  if (!functions.SetProperty(
          context, CERT_KEY_CONTEXT_PROP_ID, CERT_STORE_NO_CRYPT_RELEASE_FLAG | CERT_SET_PROPERTY_INHIBIT_PERSIST_FLAG,
          &keyContext)) {
    Unusable("The key could not be attached to the certificate", functions.LastError());
  }
}

}  // namespace

void AttachNCryptKey(CertificateFunctions& functions, PCCERT_CONTEXT context, NCRYPT_KEY_HANDLE key) {
  AttachName(functions, context, key);
  AttachHandle(functions, context, key, CERT_NCRYPT_KEY_SPEC);
}

void AttachNCryptKey(PCCERT_CONTEXT context, NCRYPT_KEY_HANDLE key) {
  AttachNCryptKey(*SystemCertificates(), context, key);
}

Blob PublicKeyBlobOf(CERT_PUBLIC_KEY_INFO const& info) {
  BCRYPT_KEY_HANDLE handle = nullptr;
  auto copy = info;
  if (CryptImportPublicKeyInfoEx2(X509_ASN_ENCODING, &copy, 0, nullptr, &handle) == FALSE) {
    return {};
  }
  BCryptKeyPtr const key{handle};
  return ExportPublicKey(handle);
}

NCryptCertificateKey::~NCryptCertificateKey() { functions_->FreeObject(key_); }

Blob NCryptCertificateKey::PublicKeyBlob() const {
  SECURITY_STATUS status = 0;
  for (auto const* const format : {BCRYPT_RSAPUBLIC_BLOB, BCRYPT_ECCPUBLIC_BLOB}) {
    DWORD bytes = 0;
    status = functions_->ExportKey(key_, format, nullptr, 0, &bytes);
    if (status != 0) {
      continue;
    }
    Blob blob(bytes);
    status = functions_->ExportKey(key_, format, blob.data(), bytes, &bytes);
    if (status == 0) {
      blob.resize(bytes);
      return blob;
    }
  }
  Unusable("The public key could not be read", static_cast<std::uint32_t>(status));
}

void StoredCertificateKey::AttachTo(PCCERT_CONTEXT context) const {
  if (AttachProviderInfo(context)) {
    return;
  }
  HCRYPTPROV_OR_NCRYPT_KEY_HANDLE key = 0;
  DWORD keySpec = 0;
  BOOL mustFree = FALSE;
  // The handle is cached in this object's own context and lives as long as that.
  if (!functions_->AcquirePrivateKey(
          context_, CRYPT_ACQUIRE_CACHE_FLAG | CRYPT_ACQUIRE_ALLOW_NCRYPT_KEY_FLAG | CRYPT_ACQUIRE_SILENT_FLAG, &key,
          &keySpec, &mustFree)) {
    Unusable("The certificate's private key could not be opened", functions_->LastError());
  }
  AttachHandle(*functions_, context, key, keySpec);
}

bool StoredCertificateKey::AttachProviderInfo(PCCERT_CONTEXT context) const {
  DWORD bytes = 0;
  if (!functions_->GetProperty(context_, CERT_KEY_PROV_INFO_PROP_ID, nullptr, &bytes) ||
      bytes < sizeof(CRYPT_KEY_PROV_INFO)) {
    return false;
  }
  // The structure comes first, its texts behind it.
  std::vector<CRYPT_KEY_PROV_INFO> buffer(bytes / sizeof(CRYPT_KEY_PROV_INFO) + 1);
  return functions_->GetProperty(context_, CERT_KEY_PROV_INFO_PROP_ID, buffer.data(), &bytes) &&
         functions_->SetProperty(
             context, CERT_KEY_PROV_INFO_PROP_ID, CERT_SET_PROPERTY_INHIBIT_PERSIST_FLAG, buffer.data());
}

bool StoredCertificateKey::CanBeOpened() const {
  HCRYPTPROV_OR_NCRYPT_KEY_HANDLE key = 0;
  DWORD keySpec = 0;
  BOOL mustFree = FALSE;
  if (!functions_->AcquirePrivateKey(
          context_, CRYPT_ACQUIRE_ALLOW_NCRYPT_KEY_FLAG | CRYPT_ACQUIRE_SILENT_FLAG, &key, &keySpec, &mustFree)) {
    return false;
  }
  if (mustFree != FALSE) {
    if (keySpec == CERT_NCRYPT_KEY_SPEC) {
      functions_->FreeObject(key);
    } else {
      functions_->ReleaseProvider(key);
    }
  }
  return true;
}

Blob StoredCertificateKey::PublicKeyBlob() const { return PublicKeyBlobOf(context_->pCertInfo->SubjectPublicKeyInfo); }

void ContainerCertificateKey::AttachTo(PCCERT_CONTEXT context) const {
  auto container = container_;
  CRYPT_KEY_PROV_INFO info{};
  info.pwszContainerName = container.Name.data();
  info.pwszProvName = container.Provider.data();
  info.dwProvType = container.ProviderType;
  info.dwKeySpec = container.KeySpec;
  info.dwFlags = container.OfTheMachine ? CRYPT_MACHINE_KEYSET : 0;
  if (!functions_->SetProperty(context, CERT_KEY_PROV_INFO_PROP_ID, CERT_SET_PROPERTY_INHIBIT_PERSIST_FLAG, &info)) {
    Unusable("The key container could not be attached to the certificate", functions_->LastError());
  }
}

Blob ContainerCertificateKey::PublicKeyBlob() const {
  HCRYPTPROV provider = 0;
  if (CryptAcquireContextW(
          &provider, container_.Name.c_str(), container_.Provider.c_str(), container_.ProviderType,
          CRYPT_SILENT | (container_.OfTheMachine ? CRYPT_MACHINE_KEYSET : 0U)) == FALSE) {
    Unusable("The key container could not be opened", GetLastError());
  }
  auto const release = gsl::finally([&] { functions_->ReleaseProvider(provider); });
  DWORD bytes = 0;
  if (CryptExportPublicKeyInfo(provider, container_.KeySpec, X509_ASN_ENCODING, nullptr, &bytes) == FALSE) {
    Unusable("The public key of the container could not be read", GetLastError());
  }
  std::vector<CERT_PUBLIC_KEY_INFO> buffer(bytes / sizeof(CERT_PUBLIC_KEY_INFO) + 1);
  if (CryptExportPublicKeyInfo(provider, container_.KeySpec, X509_ASN_ENCODING, buffer.data(), &bytes) == FALSE) {
    Unusable("The public key of the container could not be read", GetLastError());
  }
  return PublicKeyBlobOf(buffer.front());
}

gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> TakeNCryptKey(NCRYPT_KEY_HANDLE key) {
  return std::shared_ptr<PrivateKeyHandle const>{std::make_shared<NCryptCertificateKey>(SystemCertificates(), key)};
}

NCRYPT_KEY_HANDLE GetNCryptKey(PrivateKeyHandle const& handle) {
  auto const* own = dynamic_cast<NCryptCertificateKey const*>(&handle);
  if (own == nullptr) {
    throw Error{ErrorDetails{
        errors::InvalidBindingCertificate, "The private key is not a CNG key",
        "Make the handle with mtlspop::schannel::TakeNCryptKey"}};
  }
  return own->Handle();
}

gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> UseKeyContainer(KeyContainer container) {
  return std::shared_ptr<PrivateKeyHandle const>{
      std::make_shared<ContainerCertificateKey>(SystemCertificates(), std::move(container))};
}

}  // namespace mtlspop::schannel
