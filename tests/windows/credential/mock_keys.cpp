#include "mock_keys.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

namespace mtlspop::windows_tests {
namespace {

constexpr DWORD IsolationFlag = 0x20000;
/// What Windows says where virtualization-based security is not running.
constexpr auto VbsUnavailable = static_cast<SECURITY_STATUS>(0x80890014);

std::shared_ptr<windows::KeyFunctions> RealKeys() {
  static auto const keys = windows::SystemKeys();
  return keys;
}

NCRYPT_KEY_HANDLE NewRealKey() {
  static NCRYPT_PROV_HANDLE const provider = [] {
    NCRYPT_PROV_HANDLE opened = 0;
    NCryptOpenStorageProvider(&opened, MS_KEY_STORAGE_PROVIDER, 0);
    return opened;
  }();
  NCRYPT_KEY_HANDLE key = 0;
  NCryptCreatePersistedKey(provider, &key, BCRYPT_RSA_ALGORITHM, nullptr, 0, 0);
  return key;
}

}  // namespace

MockKeys::MockKeys() {
  ON_CALL(*this, OpenStorageProvider).WillByDefault([this](NCRYPT_PROV_HANDLE* provider, std::wstring_view name) {
    if (!HasTpm && name == L"Microsoft Platform Crypto Provider") {
      return static_cast<SECURITY_STATUS>(NTE_PROVIDER_DLL_FAIL);
    }
    *provider = Give({nullptr, std::wstring{name}});
    return SECURITY_STATUS{0};
  });
  ON_CALL(*this, CreatePersistedKey)
      .WillByDefault([this](
                         NCRYPT_PROV_HANDLE provider, NCRYPT_KEY_HANDLE* key, wchar_t const*, wchar_t const* name,
                         DWORD flags) { return Create(provider, key, name, flags); });
  ON_CALL(*this, OpenKey)
      .WillByDefault([this](NCRYPT_PROV_HANDLE provider, NCRYPT_KEY_HANDLE* key, wchar_t const* name) {
        auto const found = keys_.find({handles_.at(provider).Provider, name});
        if (found == keys_.end() || !found->second->IsFinished) {
          return static_cast<SECURITY_STATUS>(NTE_BAD_KEYSET);
        }
        if (found->second->Opening == 0) {
          *key = Give({found->second, {}});
        }
        return found->second->Opening;
      });
  ON_CALL(*this, SetProperty)
      .WillByDefault([this](NCRYPT_HANDLE object, wchar_t const* name, BYTE* value, DWORD bytes) {
        return RealKeys()->SetProperty(Real(object), name, value, bytes);
      });
  ON_CALL(*this, GetProperty)
      .WillByDefault([this](NCRYPT_HANDLE object, wchar_t const* name, BYTE* value, DWORD bytes, DWORD* needed) {
        return Answer(object, name, value, bytes, needed);
      });
  ON_CALL(*this, FinalizeKey).WillByDefault([this](NCRYPT_KEY_HANDLE key) {
    auto const status = RealKeys()->FinalizeKey(Real(key));
    handles_.at(key).Of->IsFinished = status == 0;
    return status;
  });
  ON_CALL(*this, ExportKey)
      .WillByDefault([this](NCRYPT_KEY_HANDLE key, wchar_t const* format, BYTE* blob, DWORD bytes, DWORD* needed) {
        return RealKeys()->ExportKey(Real(key), format, blob, bytes, needed);
      });
  ON_CALL(*this, SignHash)
      .WillByDefault([this](
                         NCRYPT_KEY_HANDLE key, void* padding, BYTE* hash, DWORD hashBytes, BYTE* signature,
                         DWORD bytes, DWORD* needed, DWORD flags) {
        if (auto const status = handles_.at(key).Of->Signing; status != 0) {
          return status;
        }
        return RealKeys()->SignHash(Real(key), padding, hash, hashBytes, signature, bytes, needed, flags);
      });
  ON_CALL(*this, DeleteKey).WillByDefault([this](NCRYPT_KEY_HANDLE key) {
    auto const& deleted = *handles_.at(key).Of;
    keys_.erase({deleted.Provider, deleted.Name});
    return Free(key);
  });
  ON_CALL(*this, FreeObject).WillByDefault([this](NCRYPT_HANDLE object) { return Free(object); });
}

NCRYPT_HANDLE MockKeys::Give(Handle handle) {
  handles_.emplace(next_, std::move(handle));
  return next_++;
}

SECURITY_STATUS MockKeys::Create(
    NCRYPT_PROV_HANDLE provider, NCRYPT_KEY_HANDLE* key, wchar_t const* name, DWORD flags) {
  bool const wantsIsolation = (flags & IsolationFlag) != 0;
  if (wantsIsolation && KeyGuard == Isolation::IsUnavailable) {
    return VbsUnavailable;
  }
  if (handles_.count(provider) == 0) {
    return NTE_INVALID_HANDLE;
  }
  auto const& providerName = handles_.at(provider).Provider;
  auto const found = keys_.find({providerName, name});
  if (found != keys_.end() && found->second->IsFinished && (flags & NCRYPT_OVERWRITE_KEY_FLAG) == 0) {
    return NTE_EXISTS;
  }
  auto made = std::make_shared<Key>();
  made->Real = NewRealKey();
  made->Provider = providerName;
  made->Name = name;
  made->IsIsolated = wantsIsolation && KeyGuard == Isolation::Works;
  keys_[{providerName, name}] = made;
  *key = Give({made, {}});
  return 0;
}

SECURITY_STATUS MockKeys::Free(NCRYPT_HANDLE object) {
  if (handles_.erase(object) == 0) {
    ++FreedTwice;
    return NTE_INVALID_HANDLE;
  }
  return 0;
}

SECURITY_STATUS MockKeys::Answer(NCRYPT_HANDLE object, wchar_t const* name, BYTE* value, DWORD bytes, DWORD* needed) {
  auto const& handle = handles_.at(object);
  bool const isTpm = handle.Provider == L"Microsoft Platform Crypto Provider";
  if (std::wstring_view{name} == NCRYPT_IMPL_TYPE_PROPERTY && isTpm && TpmImplementation != 0) {
    *needed = sizeof TpmImplementation;
    std::memcpy(value, &TpmImplementation, std::min<std::size_t>(bytes, sizeof TpmImplementation));
    return 0;
  }
  if (!handle.Of || std::wstring_view{name} != L"Virtual Iso") {
    return NTE_NOT_SUPPORTED;
  }
  if (IsolationStatus != 0) {
    return IsolationStatus;
  }
  if (!handle.Of->IsIsolated) {
    return NTE_NOT_SUPPORTED;
  }
  *needed = IsolationBytes;
  if (bytes < IsolationBytes) {
    return NTE_BUFFER_TOO_SMALL;
  }
  constexpr DWORD yes = 1;
  std::fill_n(value, IsolationBytes, BYTE{0});
  std::memcpy(value, &yes, sizeof yes);
  return 0;
}

void MockKeys::AddForeignKey(std::wstring const& name, DWORD bits) {
  auto key = std::make_shared<Key>();
  key->Real = NewRealKey();
  RealKeys()->SetProperty(key->Real, NCRYPT_LENGTH_PROPERTY, reinterpret_cast<BYTE*>(&bits), sizeof bits);
  RealKeys()->FinalizeKey(key->Real);
  key->Provider = MS_KEY_STORAGE_PROVIDER;
  key->Name = name;
  key->IsFinished = true;
  keys_[{key->Provider, name}] = key;
}

void MockKeys::Reboot(SECURITY_STATUS signing, SECURITY_STATUS opening) {
  for (auto const& [place, key] : keys_) {
    key->Signing = signing;
    key->Opening = opening;
  }
}

std::set<std::wstring> MockKeys::Names() const {
  std::set<std::wstring> names;
  for (auto const& [place, key] : keys_) {
    names.insert(place.second);
  }
  return names;
}

MockMutexes::MockMutexes() {
  ON_CALL(*this, CurrentUser).WillByDefault(testing::Return(L"S-1-5-21-1"));
  ON_CALL(*this, OpenNamedMutex).WillByDefault([this](wchar_t const*, wchar_t const*) {
    ++OpenHandles;
    return reinterpret_cast<HANDLE>(std::uintptr_t{1});
  });
  ON_CALL(*this, OwnerOf).WillByDefault(testing::Return(L"S-1-5-21-1"));
  ON_CALL(*this, Wait).WillByDefault([this](HANDLE, DWORD) {
    ++Held;
    return DWORD{WAIT_OBJECT_0};
  });
  ON_CALL(*this, ReleaseMutex).WillByDefault([this](HANDLE) { --Held; });
  ON_CALL(*this, CloseHandle).WillByDefault([this](HANDLE) { --OpenHandles; });
}

}  // namespace mtlspop::windows_tests
