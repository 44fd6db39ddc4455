#include "cng_key.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <utility>

#include <bcrypt.h>

#include "../crypto.hpp"
#include "../der.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/windows.hpp"
#include "status.hpp"

// Newer than the cross compiler's headers; the value is that of the Windows SDK's ncrypt.h.
#ifndef NCRYPT_USE_VIRTUAL_ISOLATION_PROPERTY
#define NCRYPT_USE_VIRTUAL_ISOLATION_PROPERTY L"Virtual Iso"
#endif

// So are these; the values are those of its winerror.h.
#ifndef NTE_VBS_UNAVAILABLE
#define NTE_VBS_UNAVAILABLE _HRESULT_TYPEDEF_(0x80090039)
#endif
#ifndef NTE_VBS_CANNOT_DECRYPT_KEY
#define NTE_VBS_CANNOT_DECRYPT_KEY _HRESULT_TYPEDEF_(0x8009003A)
#endif

namespace mtlspop::windows {
namespace {

/// What Windows says as well, in no header, where virtualization-based security is not running.
constexpr auto NoIsolation = static_cast<SECURITY_STATUS>(0x80890014);

constexpr unsigned MinimumBits = 2048;

using Bytes = std::vector<std::uint8_t>;

/// An unsigned number of big-endian bytes as a DER INTEGER.
der::Bytes UnsignedInteger(gsl::span<std::uint8_t const> bytes) {
  while (bytes.size() > 1 && bytes.front() == 0) {
    bytes = bytes.subspan(1);
  }
  Bytes content;
  if ((bytes.front() & 0x80U) != 0) {
    content.push_back(0);
  }
  content.insert(content.end(), bytes.begin(), bytes.end());
  return der::Encode(der::Tag::Integer, content);
}

[[noreturn]] void RefuseKey(std::string what, SECURITY_STATUS status) {
  throw Failure(
      errors::KeyUnavailable, std::move(what), status,
      "Hand in an RSA key of at least 2048 bits: the metadata service issues certificates for no others");
}

/// Owns the handle and signs with it; the transport attaches it to certificates.
class CngKeyHandle final : public schannel::CertificateKey {
 public:
  CngKeyHandle(NCryptObject key, bool isTransient) noexcept : key_(std::move(key)), isTransient_(isTransient) {}
  ~CngKeyHandle() override {
    if (isTransient_) {
      key_.Delete();
    }
  }
  CngKeyHandle(CngKeyHandle const&) = delete;
  CngKeyHandle& operator=(CngKeyHandle const&) = delete;

  void AttachTo(PCCERT_CONTEXT context) const override { schannel::AttachNCryptKey(context, key_.Get()); }
  Bytes PublicKeyBlob() const override;
  NCryptObject const& Key() const noexcept { return key_; }

 private:
  NCryptObject key_;
  bool const isTransient_;
};

Bytes ExportRsaBlob(KeyFunctions& functions, NCRYPT_KEY_HANDLE key) {
  DWORD bytes = 0;
  auto status = functions.ExportKey(key, BCRYPT_RSAPUBLIC_BLOB, nullptr, 0, &bytes);
  Bytes blob(bytes);
  if (status == 0) {
    status = functions.ExportKey(key, BCRYPT_RSAPUBLIC_BLOB, blob.data(), bytes, &bytes);
  }
  if (status != 0 || bytes < sizeof(BCRYPT_RSAKEY_BLOB)) {
    RefuseKey("The public key cannot be read as an RSA key", status);
  }
  blob.resize(bytes);
  return blob;
}

/// Of any algorithm that a TLS client can sign with.
Bytes CngKeyHandle::PublicKeyBlob() const {
  DWORD bytes = 0;
  if (key_.Functions().ExportKey(key_.Get(), BCRYPT_ECCPUBLIC_BLOB, nullptr, 0, &bytes) != 0) {
    return ExportRsaBlob(key_.Functions(), key_.Get());
  }
  Bytes blob(bytes);
  auto const status = key_.Functions().ExportKey(key_.Get(), BCRYPT_ECCPUBLIC_BLOB, blob.data(), bytes, &bytes);
  if (status != 0) {
    throw Failure(errors::PrivateKeyUnusable, "The public key cannot be read", status, "Make the key anew");
  }
  blob.resize(bytes);
  return blob;
}

/// The key signs, or something else than its death keeps it from that: memory, permission, a device, somebody who has to be
/// asked, the service that has the keys.
bool DoesOrMaySign(SECURITY_STATUS status) {
  constexpr SECURITY_STATUS passing[] = {
      0,
      NTE_NO_MEMORY,
      NTE_PERM,
      NTE_SILENT_CONTEXT,
      NTE_UI_REQUIRED,
      NTE_USER_CANCELLED,
      NTE_DEVICE_NOT_READY,
      NTE_DEVICE_NOT_FOUND,
      E_OUTOFMEMORY,
      E_ACCESSDENIED};
  // The errors of remote procedure calls, 1700 to 1791, as such and as HRESULTs.
  auto const code = static_cast<std::uint32_t>(status) & 0xFFFFFF00U;
  bool const isOfRemoteCall = code == 0x600U || code == 0x80070600U;
  return isOfRemoteCall || IsVbsUnavailable(status) ||
         std::find(std::begin(passing), std::end(passing), status) != std::end(passing);
}

class CngBindingKey final : public BindingKey {
 public:
  CngBindingKey(std::shared_ptr<CngKeyHandle const> handle, KeyStrength strength)
      : handle_(std::move(handle)),
        strength_(strength),
        publicKey_(ReadPublicKey(handle_->Key().Functions(), handle_->Key().Get())) {}

  KeyStrength Strength() const noexcept override { return strength_; }
  Bytes const& SubjectPublicKeyInfo() const noexcept override { return publicKey_; }
  gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> Handle() const override {
    return std::shared_ptr<PrivateKeyHandle const>{handle_};
  }
  NCRYPT_KEY_HANDLE CngHandle() const noexcept { return handle_->Key().Get(); }

  Bytes SignPssSha256(gsl::span<std::uint8_t const> data) const override {
    SECURITY_STATUS status = 0;
    auto signature = SignPss(handle_->Key().Functions(), handle_->Key().Get(), data, status);
    if (status != 0) {
      throw Failure(
          errors::PrivateKeyUnusable, "The binding key did not sign", status,
          "A KeyGuard key is gone after a reboot; ask for a new key with KeyRequest::ForceNew");
    }
    return signature;
  }

 private:
  std::shared_ptr<CngKeyHandle const> handle_;
  KeyStrength strength_;
  Bytes publicKey_;
};

gsl::not_null<std::shared_ptr<BindingKey const>> Make(NCryptObject key, KeyStrength strength, bool isTransient) {
  auto handle = std::make_shared<CngKeyHandle>(std::move(key), isTransient);
  return std::shared_ptr<BindingKey const>{std::make_shared<CngBindingKey>(std::move(handle), strength)};
}

}  // namespace

void NCryptObject::Delete() noexcept {
  if (handle_ != 0 && functions_->DeleteKey(handle_) == 0) {
    handle_ = 0;
  }
}

Bytes SignPss(
    KeyFunctions& functions, NCRYPT_KEY_HANDLE key, gsl::span<std::uint8_t const> data, SECURITY_STATUS& status) {
  auto hash = crypto::Sha256(data);
  BCRYPT_PSS_PADDING_INFO padding{BCRYPT_SHA256_ALGORITHM, 32};
  DWORD bytes = 0;
  status = functions.SignHash(
      key, &padding, hash.data(), static_cast<DWORD>(hash.size()), nullptr, 0, &bytes, BCRYPT_PAD_PSS);
  Bytes signature(bytes);
  if (status == 0) {
    status = functions.SignHash(
        key, &padding, hash.data(), static_cast<DWORD>(hash.size()), signature.data(), bytes, &bytes, BCRYPT_PAD_PSS);
  }
  signature.resize(status == 0 ? bytes : 0);
  return signature;
}

Bytes ReadPublicKey(KeyFunctions& functions, NCRYPT_KEY_HANDLE key) {
  auto const blob = ExportRsaBlob(functions, key);
  BCRYPT_RSAKEY_BLOB header{};
  std::memcpy(&header, blob.data(), sizeof header);
  gsl::span<std::uint8_t const> const numbers = gsl::span<std::uint8_t const>{blob}.subspan(sizeof header);
  if (header.Magic != BCRYPT_RSAPUBLIC_MAGIC || header.BitLength < MinimumBits || header.cbPublicExp == 0 ||
      header.cbModulus == 0 || numbers.size() < static_cast<std::size_t>(header.cbPublicExp) + header.cbModulus) {
    RefuseKey("The key is not an RSA key of 2048 bits or more", 0);
  }
  auto const exponent = UnsignedInteger(numbers.first(header.cbPublicExp));
  auto const modulus = UnsignedInteger(numbers.subspan(header.cbPublicExp, header.cbModulus));
  return der::Encode(
      der::Tag::Sequence,
      {der::Encode(der::Tag::Sequence, {der::ObjectIdentifier({1, 2, 840, 113549, 1, 1, 1}), der::Null()}),
       der::BitString(der::Encode(der::Tag::Sequence, {modulus, exponent}))});
}

SECURITY_STATUS ProbeSigning(KeyFunctions& functions, NCRYPT_KEY_HANDLE key) {
  std::array<std::uint8_t, 32> challenge{};
  crypto::FillRandom(challenge);
  SECURITY_STATUS status = 0;
  auto const signature = SignPss(functions, key, challenge, status);
  if (status != 0) {
    return status;
  }
  return crypto::VerifyPssSha256(ReadPublicKey(functions, key), challenge, signature) ? 0 : NTE_BAD_SIGNATURE;
}

bool IsAbsent(SECURITY_STATUS status) noexcept { return status == NTE_BAD_KEYSET || status == NTE_NO_KEY; }

bool IsStale(SECURITY_STATUS status) noexcept {
  constexpr SECURITY_STATUS stale[] = {NTE_BAD_KEYSET,         NTE_NO_KEY,        NTE_BAD_KEY,
                                       NTE_BAD_KEY_STATE,      NTE_BAD_DATA,      NTE_KEYSET_ENTRY_BAD,
                                       NTE_DECRYPTION_FAILURE, NTE_BAD_SIGNATURE, NTE_VBS_CANNOT_DECRYPT_KEY};
  return std::find(std::begin(stale), std::end(stale), status) != std::end(stale);
}

bool IsVbsUnavailable(SECURITY_STATUS status) noexcept {
  return status == NTE_VBS_UNAVAILABLE || status == NoIsolation;
}

bool IsDeadKeyGuardKey(KeyFunctions& functions, NCRYPT_KEY_HANDLE key, SECURITY_STATUS status, bool isNameOurs) {
  if (DoesOrMaySign(status) || DoesOrMaySign(ProbeSigning(functions, key))) {
    return false;
  }
  auto const isolation = ProbeIsolation(functions, key);
  if (isolation != 0) {
    return isNameOurs && !IsUnisolated(isolation);
  }
  if (!isNameOurs) {
    // One of another algorithm is isolated, lives, and cannot sign like this.
    ReadPublicKey(functions, key);
  }
  return true;
}

bool DoesSign(KeyFunctions& functions, NCRYPT_KEY_HANDLE key) { return ProbeSigning(functions, key) == 0; }

SECURITY_STATUS ProbeHardware(KeyFunctions& functions, NCRYPT_PROV_HANDLE provider) {
  DWORD implementation = 0;
  DWORD bytes = 0;
  auto const status = functions.GetProperty(
      provider, NCRYPT_IMPL_TYPE_PROPERTY, reinterpret_cast<BYTE*>(&implementation), sizeof implementation, &bytes);
  // Wine's word for a property that it does not have.
  if (status == NTE_INVALID_PARAMETER || status == NTE_NOT_FOUND) {
    return NTE_NOT_SUPPORTED;
  }
  if (status != 0) {
    return status;
  }
  return bytes == sizeof implementation && (implementation & NCRYPT_IMPL_HARDWARE_FLAG) != 0 ? 0 : NTE_NOT_SUPPORTED;
}

SECURITY_STATUS ProbeIsolation(KeyFunctions& functions, NCRYPT_KEY_HANDLE key) {
  // It begins with a DWORD. Whether something follows is said nowhere, so there is room.
  std::array<BYTE, 256> value{};
  DWORD bytes = 0;
  auto const status = functions.GetProperty(
      key, NCRYPT_USE_VIRTUAL_ISOLATION_PROPERTY, value.data(), static_cast<DWORD>(value.size()), &bytes);
  if (status != 0) {
    return status;
  }
  DWORD isolated = 0;
  std::memcpy(&isolated, value.data(), std::min<std::size_t>(bytes, sizeof isolated));
  return isolated != 0 ? 0 : NTE_NOT_FOUND;
}

bool IsUnisolated(SECURITY_STATUS isolation) noexcept {
  return isolation == NTE_NOT_FOUND || isolation == NTE_NOT_SUPPORTED;
}

bool IsIsolated(KeyFunctions& functions, NCRYPT_KEY_HANDLE key) { return ProbeIsolation(functions, key) == 0; }

gsl::not_null<std::shared_ptr<BindingKey const>> MakeBindingKey(NCryptObject key, KeyStrength strength) {
  return Make(std::move(key), strength, false);
}

gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> MakeTransientHandle(NCryptObject key) {
  return std::shared_ptr<PrivateKeyHandle const>{std::make_shared<CngKeyHandle>(std::move(key), true)};
}

gsl::not_null<std::shared_ptr<BindingKey const>> MakeTransientBindingKey(NCryptObject key, KeyStrength strength) {
  return Make(std::move(key), strength, true);
}

NCRYPT_KEY_HANDLE GetKeyHandle(BindingKey const& key) {
  auto const* own = dynamic_cast<CngBindingKey const*>(&key);
  if (own == nullptr) {
    throw Error{ErrorDetails{
        errors::AttestationFailed, "The key to be attested is not a CNG key of this library's",
        "Use a KeyGuard key: MakeKeyGuardKeyProvider(), or mtlspop::windows::TakeBindingKey"}};
  }
  return own->CngHandle();
}

gsl::not_null<std::shared_ptr<BindingKey const>> TakeBindingKey(NCRYPT_KEY_HANDLE key, KeyStrength strength) {
  return MakeBindingKey(NCryptObject{SystemKeys(), key}, strength);
}

}  // namespace mtlspop::windows
