#pragma once

/// @file
/// An NCrypt that is the machine a test wants: with KeyGuard or without, rebooted, without a TPM. It counts handles.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "windows/key_functions.hpp"
#include "windows/named_mutex.hpp"

namespace mtlspop::windows_tests {

/// A status by its number, which as a number is unsigned.
template <class Number>
constexpr SECURITY_STATUS Status(Number number) {
  return static_cast<SECURITY_STATUS>(number);
}

/// Keys are made by Wine's or Windows' own CNG, so that they sign; where they are and what they are worth is played.
class MockKeys : public windows::KeyFunctions {
 public:
  MockKeys();

  MOCK_METHOD(SECURITY_STATUS, OpenStorageProvider, (NCRYPT_PROV_HANDLE * provider, wchar_t const* name), (override));
  MOCK_METHOD(
      SECURITY_STATUS,
      CreatePersistedKey,
      (NCRYPT_PROV_HANDLE provider, NCRYPT_KEY_HANDLE* key, wchar_t const* algorithm, wchar_t const* name, DWORD flags),
      (override));
  MOCK_METHOD(
      SECURITY_STATUS, OpenKey, (NCRYPT_PROV_HANDLE provider, NCRYPT_KEY_HANDLE* key, wchar_t const* name), (override));
  MOCK_METHOD(
      SECURITY_STATUS, SetProperty, (NCRYPT_HANDLE object, wchar_t const* name, BYTE* value, DWORD bytes), (override));
  MOCK_METHOD(
      SECURITY_STATUS,
      GetProperty,
      (NCRYPT_HANDLE object, wchar_t const* name, BYTE* value, DWORD bytes, DWORD* needed),
      (override));
  MOCK_METHOD(SECURITY_STATUS, FinalizeKey, (NCRYPT_KEY_HANDLE key), (override));
  MOCK_METHOD(
      SECURITY_STATUS,
      ExportKey,
      (NCRYPT_KEY_HANDLE key, wchar_t const* format, BYTE* blob, DWORD bytes, DWORD* needed),
      (override));
  MOCK_METHOD(
      SECURITY_STATUS,
      SignHash,
      (NCRYPT_KEY_HANDLE key,
       void* padding,
       BYTE* hash,
       DWORD hashBytes,
       BYTE* signature,
       DWORD bytes,
       DWORD* needed,
       DWORD flags),
      (override));
  MOCK_METHOD(SECURITY_STATUS, DeleteKey, (NCRYPT_KEY_HANDLE key), (override));
  MOCK_METHOD(SECURITY_STATUS, FreeObject, (NCRYPT_HANDLE object), (override));

  /// Another program makes a key of this name: of the software provider, not isolated.
  void AddForeignKey(std::wstring const& name, DWORD bits = 2048);

  /// The machine is rebooted: keys that are there answer `signing` when they are to sign, and `opening` when they are
  /// opened. Which answers a Windows gives is not known here, so tests give several.
  void Reboot(SECURITY_STATUS signing = NTE_BAD_KEY_STATE, SECURITY_STATUS opening = 0);

  /// Handles given out and not given back.
  std::size_t OpenHandles() const noexcept { return handles_.size(); }
  /// Handles given back that were not out.
  int FreedTwice = 0;
  /// Names of the keys that are there.
  std::set<std::wstring> Names() const;

  /// What virtualization-based security does with its flags.
  enum class Isolation { Works, IsIgnored, IsUnavailable };
  Isolation KeyGuard = Isolation::Works;
  /// How long the property is that says so, and what reading it answers, if not that.
  DWORD IsolationBytes = sizeof(DWORD);
  SECURITY_STATUS IsolationStatus = 0;
  bool HasTpm = true;
  /// What the TPM's provider says about itself; 0: nothing, as Wine's does, which has a provider of any name.
  DWORD TpmImplementation = NCRYPT_IMPL_HARDWARE_FLAG | NCRYPT_IMPL_HARDWARE_RNG_FLAG;

 private:
  /// A key that really is one.
  struct Key {
    NCRYPT_KEY_HANDLE Real = 0;
    std::wstring Provider;
    std::wstring Name;
    bool IsIsolated = false;
    /// A key is there for others only when it is finished.
    bool IsFinished = false;
    SECURITY_STATUS Opening = 0;
    SECURITY_STATUS Signing = 0;
  };
  struct Handle {
    std::shared_ptr<Key> Of;
    std::wstring Provider;
  };

  NCRYPT_HANDLE Give(Handle handle);
  SECURITY_STATUS Create(NCRYPT_PROV_HANDLE provider, NCRYPT_KEY_HANDLE* key, wchar_t const* name, DWORD flags);
  SECURITY_STATUS Free(NCRYPT_HANDLE object);
  SECURITY_STATUS Answer(NCRYPT_HANDLE object, wchar_t const* name, BYTE* value, DWORD bytes, DWORD* needed);
  NCRYPT_KEY_HANDLE Real(NCRYPT_HANDLE handle) const { return handles_.at(handle).Of->Real; }

  std::map<NCRYPT_HANDLE, Handle> handles_;
  /// By provider and name: whoever deletes a key deletes what has its name by then.
  std::map<std::pair<std::wstring, std::wstring>, std::shared_ptr<Key>> keys_;
  NCRYPT_HANDLE next_ = 1;
};

/// Mutexes that nobody else wants, unless a test says otherwise.
class MockMutexes : public windows::MutexFunctions {
 public:
  MockMutexes();

  MOCK_METHOD(std::wstring, CurrentUser, (), (override));
  MOCK_METHOD(HANDLE, OpenNamedMutex, (wchar_t const* name, wchar_t const* security), (override));
  MOCK_METHOD(std::wstring, OwnerOf, (HANDLE mutex), (override));
  MOCK_METHOD(DWORD, Wait, (HANDLE mutex, DWORD milliseconds), (override));
  MOCK_METHOD(void, ReleaseMutex, (HANDLE mutex), (override));
  MOCK_METHOD(void, CloseHandle, (HANDLE handle), (override));

  /// Mutexes that were got and not let go of.
  int Held = 0;
  /// Handles given out and not given back.
  int OpenHandles = 0;
};

}  // namespace mtlspop::windows_tests
