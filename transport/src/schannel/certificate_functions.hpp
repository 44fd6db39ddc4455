#pragma once

/// @file
/// The crypt32 and NCrypt functions that attach a private key to a certificate context, as an interface, so that tests
/// can count handles and fail where only another Windows would.

#include <memory>

#include <windows.h>

#include <wincrypt.h>

#include <ncrypt.h>

namespace mtlspop::schannel {

/// One member for each function, with the meaning of the function that it is named after; arguments that are never used
/// are left out. After a crypt32 member has failed, `LastError()` says why, on the same thread.
///
/// Thread safety: all members may be called from any thread at any time.
class CertificateFunctions {
 public:
  virtual ~CertificateFunctions() = default;

  /// CertOpenStore with CERT_STORE_PROV_MEMORY.
  virtual HCERTSTORE OpenMemoryStore() = 0;
  /// CertOpenStore with CERT_STORE_PROV_SYSTEM_W, existing stores only, read-only unless `writable`.
  virtual HCERTSTORE OpenSystemStore(DWORD location, wchar_t const* name, bool writable) = 0;
  virtual bool CloseStore(HCERTSTORE store) = 0;
  /// `added` is a context of the caller's.
  virtual bool AddEncodedCertificate(HCERTSTORE store, BYTE const* der, DWORD bytes, PCCERT_CONTEXT* added) = 0;
  /// CertEnumCertificatesInStore: frees `previous`.
  virtual PCCERT_CONTEXT NextCertificate(HCERTSTORE store, PCCERT_CONTEXT previous) = 0;
  virtual PCCERT_CONTEXT DuplicateCertificate(PCCERT_CONTEXT context) = 0;
  virtual void FreeCertificate(PCCERT_CONTEXT context) = 0;
  virtual bool SetProperty(PCCERT_CONTEXT context, DWORD property, DWORD flags, void const* value) = 0;
  virtual bool GetProperty(PCCERT_CONTEXT context, DWORD property, void* value, DWORD* bytes) = 0;
  /// CryptAcquireCertificatePrivateKey; `mustFree` says whether the caller has to release what it got.
  virtual bool AcquirePrivateKey(
      PCCERT_CONTEXT context, DWORD flags, HCRYPTPROV_OR_NCRYPT_KEY_HANDLE* key, DWORD* keySpec, BOOL* mustFree) = 0;
  /// CryptReleaseContext.
  virtual void ReleaseProvider(HCRYPTPROV provider) = 0;

  virtual SECURITY_STATUS GetKeyProperty(
      NCRYPT_HANDLE object, wchar_t const* name, BYTE* value, DWORD bytes, DWORD* needed) = 0;
  virtual SECURITY_STATUS ExportKey(
      NCRYPT_KEY_HANDLE key, wchar_t const* format, BYTE* blob, DWORD bytes, DWORD* needed) = 0;
  virtual SECURITY_STATUS FreeObject(NCRYPT_HANDLE object) = 0;

  virtual DWORD LastError() const noexcept = 0;
};

/// Windows' own.
std::shared_ptr<CertificateFunctions> SystemCertificates();

}  // namespace mtlspop::schannel
