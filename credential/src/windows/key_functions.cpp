#include "key_functions.hpp"

namespace mtlspop::windows {
namespace {

class System final : public KeyFunctions {
 public:
  SECURITY_STATUS OpenStorageProvider(NCRYPT_PROV_HANDLE* provider, wchar_t const* name) override {
    return NCryptOpenStorageProvider(provider, name, 0);
  }
  SECURITY_STATUS CreatePersistedKey(
      NCRYPT_PROV_HANDLE provider,
      NCRYPT_KEY_HANDLE* key,
      wchar_t const* algorithm,
      wchar_t const* name,
      DWORD flags) override {
    return NCryptCreatePersistedKey(provider, key, algorithm, name, 0, flags);
  }
  SECURITY_STATUS OpenKey(NCRYPT_PROV_HANDLE provider, NCRYPT_KEY_HANDLE* key, wchar_t const* name) override {
    return NCryptOpenKey(provider, key, name, 0, NCRYPT_SILENT_FLAG);
  }
  SECURITY_STATUS SetProperty(NCRYPT_HANDLE object, wchar_t const* name, BYTE* value, DWORD bytes) override {
    return NCryptSetProperty(object, name, value, bytes, NCRYPT_SILENT_FLAG);
  }
  SECURITY_STATUS GetProperty(
      NCRYPT_HANDLE object, wchar_t const* name, BYTE* value, DWORD bytes, DWORD* needed) override {
    return NCryptGetProperty(object, name, value, bytes, needed, NCRYPT_SILENT_FLAG);
  }
  SECURITY_STATUS FinalizeKey(NCRYPT_KEY_HANDLE key) override { return NCryptFinalizeKey(key, NCRYPT_SILENT_FLAG); }
  SECURITY_STATUS ExportKey(
      NCRYPT_KEY_HANDLE key, wchar_t const* format, BYTE* blob, DWORD bytes, DWORD* needed) override {
    return NCryptExportKey(key, 0, format, nullptr, blob, bytes, needed, 0);
  }
  SECURITY_STATUS SignHash(
      NCRYPT_KEY_HANDLE key,
      void* padding,
      BYTE* hash,
      DWORD hashBytes,
      BYTE* signature,
      DWORD bytes,
      DWORD* needed,
      DWORD flags) override {
    return NCryptSignHash(key, padding, hash, hashBytes, signature, bytes, needed, flags | NCRYPT_SILENT_FLAG);
  }
  SECURITY_STATUS DeleteKey(NCRYPT_KEY_HANDLE key) override { return NCryptDeleteKey(key, NCRYPT_SILENT_FLAG); }
  SECURITY_STATUS FreeObject(NCRYPT_HANDLE object) override { return NCryptFreeObject(object); }
};

}  // namespace

std::shared_ptr<KeyFunctions> SystemKeys() { return std::make_shared<System>(); }

}  // namespace mtlspop::windows
