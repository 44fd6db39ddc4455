#include "schannel/certificate_functions.hpp"

namespace mtlspop::schannel {
namespace {

class System final : public CertificateFunctions {
 public:
  HCERTSTORE OpenMemoryStore() override { return CertOpenStore(CERT_STORE_PROV_MEMORY, 0, 0, 0, nullptr); }
  HCERTSTORE OpenSystemStore(DWORD location, wchar_t const* name, bool writable) override {
    DWORD const mode = writable ? CERT_STORE_MAXIMUM_ALLOWED_FLAG : CERT_STORE_READONLY_FLAG;
    return CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0, location | mode | CERT_STORE_OPEN_EXISTING_FLAG, name);
  }
  bool CloseStore(HCERTSTORE store) override { return CertCloseStore(store, 0) != FALSE; }
  bool AddEncodedCertificate(HCERTSTORE store, BYTE const* der, DWORD bytes, PCCERT_CONTEXT* added) override {
    return CertAddEncodedCertificateToStore(store, X509_ASN_ENCODING, der, bytes, CERT_STORE_ADD_ALWAYS, added) !=
           FALSE;
  }
  PCCERT_CONTEXT NextCertificate(HCERTSTORE store, PCCERT_CONTEXT previous) override {
    return CertEnumCertificatesInStore(store, previous);
  }
  PCCERT_CONTEXT DuplicateCertificate(PCCERT_CONTEXT context) override {
    return CertDuplicateCertificateContext(context);
  }
  void FreeCertificate(PCCERT_CONTEXT context) override { CertFreeCertificateContext(context); }
  bool SetProperty(PCCERT_CONTEXT context, DWORD property, DWORD flags, void const* value) override {
    return CertSetCertificateContextProperty(context, property, flags, value) != FALSE;
  }
  bool GetProperty(PCCERT_CONTEXT context, DWORD property, void* value, DWORD* bytes) override {
    return CertGetCertificateContextProperty(context, property, value, bytes) != FALSE;
  }
  bool AcquirePrivateKey(
      PCCERT_CONTEXT context,
      DWORD flags,
      HCRYPTPROV_OR_NCRYPT_KEY_HANDLE* key,
      DWORD* keySpec,
      BOOL* mustFree) override {
    return CryptAcquireCertificatePrivateKey(context, flags, nullptr, key, keySpec, mustFree) != FALSE;
  }
  void ReleaseProvider(HCRYPTPROV provider) override { CryptReleaseContext(provider, 0); }

  SECURITY_STATUS GetKeyProperty(
      NCRYPT_HANDLE object, wchar_t const* name, BYTE* value, DWORD bytes, DWORD* needed) override {
    return NCryptGetProperty(object, name, value, bytes, needed, NCRYPT_SILENT_FLAG);
  }
  SECURITY_STATUS ExportKey(
      NCRYPT_KEY_HANDLE key, wchar_t const* format, BYTE* blob, DWORD bytes, DWORD* needed) override {
    return NCryptExportKey(key, 0, format, nullptr, blob, bytes, needed, 0);
  }
  SECURITY_STATUS FreeObject(NCRYPT_HANDLE object) override { return NCryptFreeObject(object); }

  DWORD LastError() const noexcept override { return GetLastError(); }
};

}  // namespace

std::shared_ptr<CertificateFunctions> SystemCertificates() { return std::make_shared<System>(); }

}  // namespace mtlspop::schannel
