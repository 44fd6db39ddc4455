#pragma once

/// @file
/// The NCrypt functions that make, open and use keys, as an interface, so that tests can be a machine with KeyGuard, one
/// without a TPM, or one that was rebooted.

#include <memory>

#include <windows.h>

#include <ncrypt.h>

namespace mtlspop::windows {

/// One member for each function, with the meaning of the function that it is named after; arguments that are never used
/// are left out.
///
/// Thread safety: all members may be called from any thread at any time.
class KeyFunctions {
 public:
  virtual ~KeyFunctions() = default;

  virtual SECURITY_STATUS OpenStorageProvider(NCRYPT_PROV_HANDLE* provider, wchar_t const* name) = 0;
  virtual SECURITY_STATUS CreatePersistedKey(
      NCRYPT_PROV_HANDLE provider,
      NCRYPT_KEY_HANDLE* key,
      wchar_t const* algorithm,
      wchar_t const* name,
      DWORD flags) = 0;
  virtual SECURITY_STATUS OpenKey(NCRYPT_PROV_HANDLE provider, NCRYPT_KEY_HANDLE* key, wchar_t const* name) = 0;
  virtual SECURITY_STATUS SetProperty(NCRYPT_HANDLE object, wchar_t const* name, BYTE* value, DWORD bytes) = 0;
  virtual SECURITY_STATUS GetProperty(
      NCRYPT_HANDLE object, wchar_t const* name, BYTE* value, DWORD bytes, DWORD* needed) = 0;
  virtual SECURITY_STATUS FinalizeKey(NCRYPT_KEY_HANDLE key) = 0;
  virtual SECURITY_STATUS ExportKey(
      NCRYPT_KEY_HANDLE key, wchar_t const* format, BYTE* blob, DWORD bytes, DWORD* needed) = 0;
  virtual SECURITY_STATUS SignHash(
      NCRYPT_KEY_HANDLE key,
      void* padding,
      BYTE* hash,
      DWORD hashBytes,
      BYTE* signature,
      DWORD bytes,
      DWORD* needed,
      DWORD flags) = 0;
  /// Frees `key` as well where it succeeds.
  virtual SECURITY_STATUS DeleteKey(NCRYPT_KEY_HANDLE key) = 0;
  virtual SECURITY_STATUS FreeObject(NCRYPT_HANDLE object) = 0;
};

/// Windows' own.
std::shared_ptr<KeyFunctions> SystemKeys();

}  // namespace mtlspop::windows
