#include "store_functions.hpp"

#include <algorithm>
#include <utility>

#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/schannel.hpp"
#include "status.hpp"

namespace mtlspop::windows {
namespace {

struct CloseStore {
  void operator()(HCERTSTORE store) const noexcept { CertCloseStore(store, 0); }
};
using StorePtr = std::unique_ptr<void, CloseStore>;

[[noreturn]] void Fail(char const* what) {
  throw Failure(
      errors::SystemFailure, what, static_cast<std::int32_t>(GetLastError()),
      "Check that this account has a profile and may write to its certificate store CurrentUser\\My");
}

StorePtr Open() {
  StorePtr store{CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0, CERT_SYSTEM_STORE_CURRENT_USER, L"My")};
  if (!store) {
    Fail("The certificate store CurrentUser\\My cannot be opened");
  }
  return store;
}

/// A property's bytes, as a vector of what they begin with, so that it is aligned for it; empty where there is none.
template <class Element>
std::vector<Element> Property(PCCERT_CONTEXT certificate, DWORD property) {
  DWORD bytes = 0;
  if (CertGetCertificateContextProperty(certificate, property, nullptr, &bytes) == FALSE || bytes == 0) {
    return {};
  }
  std::vector<Element> value(bytes / sizeof(Element) + 1);
  if (CertGetCertificateContextProperty(certificate, property, value.data(), &bytes) == FALSE) {
    return {};
  }
  return value;
}

StoreEntry ToEntry(PCCERT_CONTEXT certificate) {
  StoreEntry entry;
  entry.Der.assign(certificate->pbCertEncoded, certificate->pbCertEncoded + certificate->cbCertEncoded);
  auto const name = Property<wchar_t>(certificate, CERT_FRIENDLY_NAME_PROP_ID);
  entry.FriendlyName = std::wstring{name.begin(), std::find(name.begin(), name.end(), L'\0')};
  auto const key = Property<CRYPT_KEY_PROV_INFO>(certificate, CERT_KEY_PROV_INFO_PROP_ID);
  if (!key.empty() && key.front().pwszProvName != nullptr && key.front().pwszContainerName != nullptr) {
    entry.Key = {key.front().pwszProvName, key.front().pwszContainerName};
  }
  return entry;
}

class System final : public StoreFunctions {
 public:
  std::vector<StoreEntry> Read() override {
    auto const store = Open();
    std::vector<StoreEntry> entries;
    PCCERT_CONTEXT certificate = nullptr;
    while ((certificate = CertEnumCertificatesInStore(store.get(), certificate)) != nullptr) {
      entries.push_back(ToEntry(certificate));
    }
    return entries;
  }

  void Add(StoreEntry const& entry) override {
    auto const store = Open();
    schannel::CertificateContextPtr const certificate{
        CertCreateCertificateContext(X509_ASN_ENCODING, entry.Der.data(), static_cast<DWORD>(entry.Der.size()))};
    if (!certificate) {
      Fail("The certificate cannot be read");
    }
    auto name = entry.FriendlyName;
    CRYPT_DATA_BLOB friendlyName{
        static_cast<DWORD>((name.size() + 1) * sizeof(wchar_t)), reinterpret_cast<BYTE*>(name.data())};
    auto key = entry.Key;
    CRYPT_KEY_PROV_INFO info{};
    info.pwszProvName = key.Provider.data();
    info.pwszContainerName = key.Name.data();
    // Before the certificate is in the store: nobody finds it there without them.
    if (CertSetCertificateContextProperty(certificate.get(), CERT_FRIENDLY_NAME_PROP_ID, 0, &friendlyName) == FALSE ||
        CertSetCertificateContextProperty(certificate.get(), CERT_KEY_PROV_INFO_PROP_ID, 0, &info) == FALSE ||
        CertAddCertificateContextToStore(store.get(), certificate.get(), CERT_STORE_ADD_REPLACE_EXISTING, nullptr) ==
            FALSE) {
      Fail("The certificate cannot be put into CurrentUser\\My");
    }
  }

  bool Remove(gsl::span<std::uint8_t const> der) override {
    auto const store = Open();
    PCCERT_CONTEXT certificate = nullptr;
    while ((certificate = CertEnumCertificatesInStore(store.get(), certificate)) != nullptr) {
      if (std::equal(
              der.begin(), der.end(), certificate->pbCertEncoded,
              certificate->pbCertEncoded + certificate->cbCertEncoded)) {
        // Frees the context as well.
        if (CertDeleteCertificateFromStore(certificate) == FALSE) {
          Fail("A certificate cannot be removed from CurrentUser\\My");
        }
        // Written now, not when the last owner of the store lets go of it.
        CertControlStore(store.get(), CERT_STORE_CTRL_COMMIT_FORCE_FLAG, CERT_STORE_CTRL_COMMIT, nullptr);
        return true;
      }
    }
    return false;
  }
};

}  // namespace

std::shared_ptr<StoreFunctions> SystemStore() { return std::make_shared<System>(); }

}  // namespace mtlspop::windows
