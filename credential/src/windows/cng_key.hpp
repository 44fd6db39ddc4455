#pragma once

/// @file
/// A binding key in CNG, over a table of functions.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "key_functions.hpp"

#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/transport/schannel.hpp"

namespace mtlspop::windows {

/// Frees an NCrypt object, exactly once.
class NCryptObject final {
 public:
  NCryptObject(std::shared_ptr<KeyFunctions> functions, NCRYPT_HANDLE handle) noexcept
      : functions_(std::move(functions)), handle_(handle) {}
  NCryptObject(NCryptObject&& other) noexcept
      : functions_(std::move(other.functions_)), handle_(std::exchange(other.handle_, 0)) {}
  NCryptObject& operator=(NCryptObject&& other) noexcept {
    std::swap(functions_, other.functions_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~NCryptObject() {
    if (handle_ != 0) {
      functions_->FreeObject(handle_);
    }
  }

  KeyFunctions& Functions() const noexcept { return *functions_; }
  std::shared_ptr<KeyFunctions> const& SharedFunctions() const noexcept { return functions_; }
  NCRYPT_HANDLE Get() const noexcept { return handle_; }
  NCRYPT_HANDLE Release() noexcept { return std::exchange(handle_, 0); }
  /// Deletes the key for good. The handle is gone afterwards in any case.
  void Delete() noexcept;

 private:
  std::shared_ptr<KeyFunctions> functions_;
  NCRYPT_HANDLE handle_;
};

/// RSASSA-PSS over SHA-256 of `data`; empty, and `status` set, where the key does not sign.
std::vector<std::uint8_t> SignPss(
    KeyFunctions& functions, NCRYPT_KEY_HANDLE key, gsl::span<std::uint8_t const> data, SECURITY_STATUS& status);

/// The public key of an RSA key as SubjectPublicKeyInfo (RFC 3279 section 2.3.1).
/// @throw Error `key_unavailable` where it cannot be read, is not RSA or has fewer than 2048 bits
std::vector<std::uint8_t> ReadPublicKey(KeyFunctions& functions, NCRYPT_KEY_HANDLE key);

/// As `DoesSign`: 0 where it does, NTE_BAD_SIGNATURE where what it signs is no good, otherwise why it does not sign.
SECURITY_STATUS ProbeSigning(KeyFunctions& functions, NCRYPT_KEY_HANDLE key);

/// There is no key of the name.
bool IsAbsent(SECURITY_STATUS status) noexcept;

/// What a key says when it is opened or signed with after its boot, or its material is gone. Anything else may have other
/// reasons.
bool IsStale(SECURITY_STATUS status) noexcept;

/// Virtualization-based security, which isolates keys, is not running.
bool IsVbsUnavailable(SECURITY_STATUS status) noexcept;

/// Whether a key that opened and answered `status` when it was to sign is dead, where the key is of KeyGuard's kind, which
/// lives for one boot: Windows says nowhere what such a key answers later. So it is dead if it does not sign a second time
/// either, unless one of the answers tells of something that may pass or that this account may not do; but only if it says
/// that it is isolated, or, where `isNameOurs`, does not say whether it is. Any other is somebody's.
/// @throw Error as `ReadPublicKey`: it is no key that this library would use
bool IsDeadKeyGuardKey(KeyFunctions& functions, NCRYPT_KEY_HANDLE key, SECURITY_STATUS status, bool isNameOurs);

/// Whether the key signs, and what it signs is good for its own public key: a key from before the last boot opens and
/// does not sign.
bool DoesSign(KeyFunctions& functions, NCRYPT_KEY_HANDLE key);

/// The key storage provider of the machine's TPM.
inline constexpr wchar_t const* PlatformProvider = L"Microsoft Platform Crypto Provider";

/// Whether a key storage provider says that it keeps keys in hardware (NCRYPT_IMPL_TYPE_PROPERTY): 0 where it does,
/// NTE_NOT_SUPPORTED where the property says no or is not there, otherwise why it cannot be read just now. The name alone
/// proves nothing: Wine has a provider of any name, and all are its software provider.
SECURITY_STATUS ProbeHardware(KeyFunctions& functions, NCRYPT_PROV_HANDLE provider);

/// As `IsIsolated`: 0 where it does, NTE_NOT_FOUND where the property says no, otherwise why there is no property.
SECURITY_STATUS ProbeIsolation(KeyFunctions& functions, NCRYPT_KEY_HANDLE key);

/// What `ProbeIsolation` says of a key that was made without isolation: the property says no, or there is none.
bool IsUnisolated(SECURITY_STATUS isolation) noexcept;

/// Whether virtualization-based security isolates the key. A Windows without it may accept the flags and ignore them:
/// only the property "Virtual Iso" tells.
bool IsIsolated(KeyFunctions& functions, NCRYPT_KEY_HANDLE key);

/// A binding key over `key`.
/// @throw Error as `ReadPublicKey`
gsl::not_null<std::shared_ptr<BindingKey const>> MakeBindingKey(NCryptObject key, KeyStrength strength);

/// The handle alone, for a key of any algorithm, that deletes the key for good when the last owner lets go.
gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> MakeTransientHandle(NCryptObject key);

/// A binding key that deletes the key for good when the last owner lets go.
gsl::not_null<std::shared_ptr<BindingKey const>> MakeTransientBindingKey(NCryptObject key, KeyStrength strength);

/// The CNG handle of a key that this library made. Borrowed.
/// @throw Error `attestation_failed` for any other key
NCRYPT_KEY_HANDLE GetKeyHandle(BindingKey const& key);

}  // namespace mtlspop::windows
