#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <windows.h>

#include <ncrypt.h>
#include <wincrypt.h>

#include <gsl/util>

#include "../certificate_content.hpp"
#include "../crypto.hpp"
#include "certificate_choice.hpp"
#include "cng_key.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/uuid.hpp"
#include "mtlspop/base/windows/wide_text.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/windows.hpp"
#include "mtlspop/transport/schannel.hpp"
#include "status.hpp"

#ifndef PKCS12_ALWAYS_CNG_KSP
#define PKCS12_ALWAYS_CNG_KSP 0x00000200
#endif

namespace mtlspop::crypto {
namespace {

using std::chrono::system_clock;
using windows::Failure;

constexpr char const* CheckFile =
    "Give a PKCS#12 file with its password, or a PEM text that holds the certificate and an unencrypted PRIVATE KEY "
    "block";

[[noreturn]] void Refuse(
    std::string const& name, char const* what, char const* action = CheckFile, std::int32_t status = 0) {
  throw Failure(errors::ClientCertificateUnusable, "The client certificate " + name + " " + what, status, action);
}

struct CloseStore {
  void operator()(HCERTSTORE store) const noexcept { CertCloseStore(store, 0); }
};
using StorePtr = std::unique_ptr<void, CloseStore>;

/// Where an imported key was put, read from the certificate that it came with.
std::vector<CRYPT_KEY_PROV_INFO> ReadKeyInfo(PCCERT_CONTEXT context) {
  DWORD bytes = 0;
  if (CertGetCertificateContextProperty(context, CERT_KEY_PROV_INFO_PROP_ID, nullptr, &bytes) == FALSE) {
    return {};
  }
  // The structure comes first, its texts behind it.
  std::vector<CRYPT_KEY_PROV_INFO> info(bytes / sizeof(CRYPT_KEY_PROV_INFO) + 1);
  if (CertGetCertificateContextProperty(context, CERT_KEY_PROV_INFO_PROP_ID, info.data(), &bytes) == FALSE) {
    return {};
  }
  return info;
}

std::wstring NameOf(std::vector<CRYPT_KEY_PROV_INFO> const& info) {
  return info.empty() || info.front().pwszContainerName == nullptr ? std::wstring{} : info.front().pwszContainerName;
}

void DeleteImportedKey(CRYPT_KEY_PROV_INFO const& info) noexcept {
  if (info.dwProvType != 0) {
    HCRYPTPROV none = 0;
    CryptAcquireContextW(
        &none, info.pwszContainerName, info.pwszProvName, info.dwProvType, CRYPT_DELETEKEYSET | CRYPT_SILENT);
    return;
  }
  NCRYPT_PROV_HANDLE provider = 0;
  if (NCryptOpenStorageProvider(&provider, info.pwszProvName, 0) != 0) {
    return;
  }
  NCRYPT_KEY_HANDLE key = 0;
  if (NCryptOpenKey(provider, &key, info.pwszContainerName, 0, NCRYPT_SILENT_FLAG) == 0) {
    if (NCryptDeleteKey(key, NCRYPT_SILENT_FLAG) != 0) {
      NCryptFreeObject(key);
    }
  }
  NCryptFreeObject(provider);
}

/// A key that was imported for this process only: SChannel signs in another process and needs it in the key store, from
/// which it is deleted with its last owner.
class ImportedKey final : public schannel::CertificateKey {
 public:
  ImportedKey(std::shared_ptr<PrivateKeyHandle const> inner, std::vector<CRYPT_KEY_PROV_INFO> info) noexcept
      : inner_(std::move(inner)), info_(std::move(info)) {}
  ~ImportedKey() override {
    inner_.reset();
    if (!info_.empty()) {
      DeleteImportedKey(info_.front());
    }
  }
  ImportedKey(ImportedKey const&) = delete;
  ImportedKey& operator=(ImportedKey const&) = delete;

  void AttachTo(PCCERT_CONTEXT context) const override { Inner().AttachTo(context); }
  std::vector<std::uint8_t> PublicKeyBlob() const override { return Inner().PublicKeyBlob(); }

 private:
  schannel::CertificateKey const& Inner() const { return dynamic_cast<schannel::CertificateKey const&>(*inner_); }

  std::shared_ptr<PrivateKeyHandle const> inner_;
  std::vector<CRYPT_KEY_PROV_INFO> info_;
};

/// Deletes the keys that a file brought, but for the one that `Keep` says has an owner: a file that is refused after its
/// import leaves nothing behind.
class ImportedKeys final {
 public:
  explicit ImportedKeys(HCERTSTORE store) {
    PCCERT_CONTEXT certificate = nullptr;
    while ((certificate = CertEnumCertificatesInStore(store, certificate)) != nullptr) {
      auto info = ReadKeyInfo(certificate);
      if (!info.empty()) {
        keys_.push_back(std::move(info));
      }
    }
  }
  ~ImportedKeys() {
    for (auto const& key : keys_) {
      if (!NameOf(key).empty() && NameOf(key) != kept_) {
        DeleteImportedKey(key.front());
      }
    }
  }
  ImportedKeys(ImportedKeys const&) = delete;
  ImportedKeys& operator=(ImportedKeys const&) = delete;

  void Keep(std::wstring const& container) { kept_ = container; }

 private:
  std::vector<std::vector<CRYPT_KEY_PROV_INFO>> keys_;
  std::wstring kept_;
};

bool HasPrivateKey(PCCERT_CONTEXT context) {
  DWORD bytes = 0;
  return CertGetCertificateContextProperty(context, CERT_KEY_PROV_INFO_PROP_ID, nullptr, &bytes) != FALSE;
}

StorePtr ImportPkcs12(std::string_view content, Secret const& password) {
  std::vector<BYTE> bytes{content.begin(), content.end()};
  CRYPT_DATA_BLOB blob{static_cast<DWORD>(bytes.size()), bytes.data()};
  auto wide = Widen(password.Reveal());
  auto const cleanse = gsl::finally([&] { SecureZeroMemory(wide.data(), wide.size() * sizeof(wchar_t)); });
  StorePtr store{PFXImportCertStore(&blob, wide.c_str(), CRYPT_USER_KEYSET | PKCS12_ALWAYS_CNG_KSP)};
  if (!store) {
    // Not every provider that a file names has a counterpart in CNG.
    store.reset(PFXImportCertStore(&blob, wide.c_str(), CRYPT_USER_KEYSET));
  }
  return store;
}

/// Why Windows did not open a PKCS#12 file, and what to do.
[[noreturn]] void RefusePkcs12(std::string const& name, DWORD error, bool hasPassword) {
  if (error == ERROR_INVALID_PASSWORD) {
    Refuse(
        name,
        hasPassword ? "is a PKCS#12 file that cannot be opened: the password is wrong"
                    : "is a PKCS#12 file that cannot be opened: it is encrypted, and no password was given",
        "Set Password to the one that the file was made with");
  }
  if (error == static_cast<DWORD>(NTE_BAD_ALGID) || error == static_cast<DWORD>(CRYPT_E_UNKNOWN_ALGO)) {
    Refuse(
        name,
        "is a PKCS#12 file that cannot be opened: it is encrypted with an algorithm that Windows does not offer here",
        "Encrypt it anew: in Windows' export wizard choose AES256-SHA256, or TripleDES-SHA1 before Windows 10 1709",
        static_cast<std::int32_t>(error));
  }
  Refuse(name, "is neither PEM nor a PKCS#12 file that Windows can read", CheckFile, static_cast<std::int32_t>(error));
}

std::vector<schannel::CertificateContextPtr> CertificatesIn(HCERTSTORE store) {
  std::vector<schannel::CertificateContextPtr> found;
  PCCERT_CONTEXT certificate = nullptr;
  while ((certificate = CertEnumCertificatesInStore(store, certificate)) != nullptr) {
    found.emplace_back(CertDuplicateCertificateContext(certificate));
  }
  return found;
}

/// Leaf first.
std::vector<BindingCertificate::Der> ChainOf(
    std::vector<schannel::CertificateContextPtr> const& certificates, std::vector<std::size_t> const& chosen) {
  std::vector<BindingCertificate::Der> chain;
  for (auto const index : chosen) {
    auto const& certificate = certificates[index];
    chain.emplace_back(certificate->pbCertEncoded, certificate->pbCertEncoded + certificate->cbCertEncoded);
  }
  return chain;
}

gsl::not_null<std::shared_ptr<BindingCertificate const>> ParsePkcs12(
    std::string_view content, Secret const& password, std::string const& name, system_clock::time_point now) {
  auto const store = ImportPkcs12(content, password);
  if (!store) {
    RefusePkcs12(name, GetLastError(), !password.Empty());
  }
  ImportedKeys imported{store.get()};
  auto const certificates = CertificatesIn(store.get());
  auto const chosen = windows::ChooseCertificates(
      certificates, [&](std::size_t index) { return HasPrivateKey(certificates[index].get()); }, now);
  if (chosen.empty()) {
    Refuse(
        name, "is a PKCS#12 file with certificates only and no private key",
        "Export it again with its private key (\"Yes, export the private key\"; in Key Vault: download the "
        "certificate's "
        "secret and not the certificate)");
  }
  auto const* const leaf = certificates[chosen.front()].get();
  auto const binding = schannel::MakeBindingCertificateFromContext(leaf);
  auto info = ReadKeyInfo(leaf);
  auto const container = NameOf(info);
  auto key = std::make_shared<ImportedKey const>(binding->SharedKey(), std::move(info));
  // From here on it is deleted with its last owner.
  imported.Keep(container);
  return schannel::MakeBindingCertificate(
      ChainOf(certificates, chosen), std::shared_ptr<PrivateKeyHandle const>{std::move(key)}, KeyStrength::Software);
}

/// The DER of each block with that label (RFC 7468).
std::vector<BindingCertificate::Der> PemBlocks(std::string_view text, std::string const& label) {
  auto const begin = "-----BEGIN " + label + "-----";
  auto const end = "-----END " + label + "-----";
  std::vector<BindingCertificate::Der> blocks;
  for (auto at = text.find(begin); at != std::string_view::npos; at = text.find(begin, at)) {
    at += begin.size();
    auto const stop = text.find(end, at);
    if (stop == std::string_view::npos) {
      break;
    }
    auto der = encoding::FromBase64(text.substr(at, stop - at));
    if (der) {
      blocks.push_back(std::move(*der));
    }
    at = stop;
  }
  return blocks;
}

/// Imports a PKCS#8 key under a name of its own, since SChannel cannot sign with one that has none.
NCRYPT_KEY_HANDLE ImportPkcs8(BindingCertificate::Der& der, std::string const& name) {
  NCRYPT_PROV_HANDLE provider = 0;
  auto status = NCryptOpenStorageProvider(&provider, MS_KEY_STORAGE_PROVIDER, 0);
  if (status != 0) {
    Refuse(name, "cannot be imported: the key storage provider cannot be opened", CheckFile, status);
  }
  auto const close = gsl::finally([&] { NCryptFreeObject(provider); });
  auto keyName = Widen("mtlspop-" + NewUuid());
  BCryptBuffer nameBuffer{
      static_cast<ULONG>((keyName.size() + 1) * sizeof(wchar_t)), NCRYPTBUFFER_PKCS_KEY_NAME, keyName.data()};
  BCryptBufferDesc parameters{0, 1, &nameBuffer};
  NCRYPT_KEY_HANDLE key = 0;
  status = NCryptImportKey(
      provider, 0, NCRYPT_PKCS8_PRIVATE_KEY_BLOB, &parameters, &key, der.data(), static_cast<DWORD>(der.size()),
      NCRYPT_SILENT_FLAG);
  if (status != 0) {
    Refuse(name, "holds a private key that Windows cannot import", CheckFile, status);
  }
  return key;
}

/// A key that PKCS#8 does not hold, or that is not there, with the way to one that can be read.
void CheckKeys(std::string_view content, std::size_t keys, std::string const& name) {
  auto const holds = [content](char const* text) { return content.find(text) != std::string_view::npos; };
  if (holds("-----BEGIN ENCRYPTED PRIVATE KEY-----") || holds("Proc-Type: 4,ENCRYPTED")) {
    Refuse(
        name, "holds an encrypted private key, which cannot be read from PEM on Windows",
        "Give a PKCS#12 file with its password, or decrypt the key: openssl pkey -in OLD -out NEW");
  }
  if (holds("-----BEGIN OPENSSH PRIVATE KEY-----")) {
    Refuse(name, "holds its private key in OpenSSH's own format", "Convert the key: ssh-keygen -p -m PKCS8 -f KEY");
  }
  if (holds("-----BEGIN RSA PRIVATE KEY-----") || holds("-----BEGIN EC PRIVATE KEY-----")) {
    Refuse(
        name, "holds its private key in the old format of its algorithm, which Windows cannot read",
        "Convert it to PKCS#8: openssl pkcs8 -topk8 -nocrypt -in OLD -out NEW");
  }
  if (keys == 0) {
    Refuse(
        name, "holds no private key",
        "Add the PRIVATE KEY block of the certificate's key to the PEM text; for a key that cannot leave where it is, "
        "set "
        "CertificateUri");
  }
  if (keys > 1) {
    Refuse(name, "holds several private keys", "Leave the one that belongs to the certificate");
  }
}

/// Whether the certificate is for the key with this CNG blob.
bool IsFor(std::vector<std::uint8_t> const& publicKey, PCCERT_CONTEXT certificate) {
  BCRYPT_KEY_HANDLE key = nullptr;
  if (CryptImportPublicKeyInfoEx2(X509_ASN_ENCODING, &certificate->pCertInfo->SubjectPublicKeyInfo, 0, nullptr, &key) ==
      FALSE) {
    return false;
  }
  auto const destroy = gsl::finally([key] { BCryptDestroyKey(key); });
  for (wchar_t const* const format : {BCRYPT_RSAPUBLIC_BLOB, BCRYPT_ECCPUBLIC_BLOB}) {
    ULONG bytes = 0;
    std::vector<std::uint8_t> blob(publicKey.size());
    if (BCryptExportKey(key, nullptr, format, blob.data(), static_cast<ULONG>(blob.size()), &bytes, 0) == 0 &&
        bytes == publicKey.size() && blob == publicKey) {
      return true;
    }
  }
  return false;
}

gsl::not_null<std::shared_ptr<BindingCertificate const>> ParsePem(
    std::string_view content, std::string const& name, system_clock::time_point now) {
  auto keys = PemBlocks(content, "PRIVATE KEY");
  auto const cleanse = gsl::finally([&] {
    for (auto& key : keys) {
      SecureZeroMemory(key.data(), key.size());
    }
  });
  CheckKeys(content, keys.size(), name);
  std::vector<schannel::CertificateContextPtr> certificates;
  for (auto const& der : PemBlocks(content, "CERTIFICATE")) {
    if (auto certificate = schannel::ParseCertificate(der)) {
      certificates.push_back(std::move(certificate));
    }
  }
  if (certificates.empty()) {
    Refuse(
        name, "holds a private key and no certificate that can be read",
        "Add the certificate that was issued for the key, and those above it but for the root");
  }
  windows::NCryptObject imported{windows::SystemKeys(), ImportPkcs8(keys.front(), name)};
  auto const key = windows::MakeTransientHandle(std::move(imported));
  auto const publicKey = dynamic_cast<schannel::CertificateKey const&>(*key).PublicKeyBlob();
  auto const chosen = windows::ChooseCertificates(
      certificates, [&](std::size_t index) { return IsFor(publicKey, certificates[index].get()); }, now);
  if (chosen.empty()) {
    Refuse(
        name, "holds no certificate for its private key",
        "Give the certificate and the key that were made together: their public keys differ");
  }
  return schannel::MakeBindingCertificate(ChainOf(certificates, chosen), key, KeyStrength::Software);
}

}  // namespace

gsl::not_null<std::shared_ptr<BindingCertificate const>> ParseClientCertificate(
    Secret const& given, Secret const& password, std::string const& nameForMessages, system_clock::time_point now) {
  try {
    auto const readable = ReadCertificateContent(given, nameForMessages);
    auto const content = readable.Reveal();
    // A DER SEQUENCE; PEM is text.
    bool const isPkcs12 = !content.empty() && content.front() == '\x30';
    return isPkcs12 ? ParsePkcs12(content, password, nameForMessages, now) : ParsePem(content, nameForMessages, now);
  } catch (Error const& error) {
    if (error.Code() == errors::ClientCertificateUnusable) {
      throw;
    }
    std::throw_with_nested(
        Failure(errors::ClientCertificateUnusable, nameForMessages + " cannot be used", 0, CheckFile));
  }
}

gsl::not_null<std::shared_ptr<BindingCertificate const>> LoadClientCertificateFromUri(
    std::string const& uri, Secret const&, std::chrono::system_clock::time_point) {
  constexpr std::string_view scheme = "cert:/";
  std::string_view rest{uri};
  auto const slash = rest.find('/', scheme.size());
  auto const last = rest.rfind('/');
  auto const location = rest.substr(std::min(scheme.size(), rest.size()), slash - scheme.size());
  bool const isUser = location == "CurrentUser";
  if (rest.substr(0, scheme.size()) != scheme || slash == std::string_view::npos || last == slash ||
      (!isUser && location != "LocalMachine")) {
    throw Failure(
        errors::ClientCertificateUnusable, "The URI of the client certificate cannot be read", 0,
        "Give cert:/CurrentUser/My/{thumbprint} or cert:/LocalMachine/My/{thumbprint}");
  }
  try {
    return schannel::MakeBindingCertificateFromStore(
        isUser ? schannel::StoreLocation::CurrentUser : schannel::StoreLocation::LocalMachine,
        rest.substr(slash + 1, last - slash - 1), {std::string{rest.substr(last + 1)}, {}});
  } catch (Error const& error) {
    std::throw_with_nested(Failure(
        errors::ClientCertificateUnusable, "The client certificate cannot be taken from its store", 0,
        error.Details().Action));
  }
}

}  // namespace mtlspop::crypto
