#include "../crypto.hpp"

#include <algorithm>
#include <iterator>
#include <ratio>
#include <string_view>

#include <windows.h>

#include <bcrypt.h>
#include <wincrypt.h>

#include <gsl/util>

#include "key_providers.hpp"
#include "mtlspop/base/saturated_time.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/windows.hpp"
#include "mtlspop/transport/schannel.hpp"
#include "status.hpp"

namespace mtlspop::crypto {
namespace {

constexpr char const* CheckCng =
    "Check that CNG's primitive provider is there, and whether a policy forbids the algorithm";

/// One SHA-256 provider for the process: opening one costs more than a hash.
BCRYPT_ALG_HANDLE Sha256Provider() {
  static BCRYPT_ALG_HANDLE const provider = [] {
    BCRYPT_ALG_HANDLE opened = nullptr;
    auto const status = BCryptOpenAlgorithmProvider(&opened, BCRYPT_SHA256_ALGORITHM, nullptr, 0);
    if (status != 0) {
      throw windows::Failure(errors::SystemFailure, "SHA-256 is not there", status, CheckCng);
    }
    return opened;
  }();
  return provider;
}

std::chrono::system_clock::time_point ToTimePoint(FILETIME time) {
  // 100 ns since 1601-01-01; the clock of std::chrono counts from 1970-01-01.
  using Ticks = std::chrono::duration<std::int64_t, std::ratio<1, 10'000'000>>;
  constexpr std::int64_t epoch = 116'444'736'000'000'000;
  auto const ticks = static_cast<std::int64_t>(
      static_cast<std::uint64_t>(time.dwHighDateTime) << 32U | static_cast<std::uint64_t>(time.dwLowDateTime));
  return ToSaturatedTime(std::chrono::floor<std::chrono::seconds>(Ticks{ticks - epoch}).count());
}

struct FreeLocal {
  void operator()(void* memory) const noexcept { LocalFree(memory); }
};

/// Decodes a structure of crypt32's, null where that fails.
template <class Structure>
std::unique_ptr<Structure, FreeLocal> Decode(char const* type, BYTE const* data, DWORD bytes) {
  Structure* decoded = nullptr;
  DWORD size = 0;
  bool const isDecoded =
      CryptDecodeObjectEx(X509_ASN_ENCODING, type, data, bytes, CRYPT_DECODE_ALLOC_FLAG, nullptr, &decoded, &size) !=
      FALSE;
  return std::unique_ptr<Structure, FreeLocal>{isDecoded ? decoded : nullptr};
}

bool AllowsClientAuthentication(CERT_INFO& info) {
  BYTE usage = 0;
  if (CertGetIntendedKeyUsage(X509_ASN_ENCODING, &info, &usage, 1) != FALSE &&
      (usage & CERT_DIGITAL_SIGNATURE_KEY_USAGE) == 0) {
    return false;
  }
  auto const* const extension = CertFindExtension(szOID_ENHANCED_KEY_USAGE, info.cExtension, info.rgExtension);
  if (extension == nullptr) {
    return true;
  }
  auto const purposes =
      Decode<CERT_ENHKEY_USAGE>(X509_ENHANCED_KEY_USAGE, extension->Value.pbData, extension->Value.cbData);
  if (!purposes) {
    return false;
  }
  auto* const* const first = purposes->rgpszUsageIdentifier;
  return std::any_of(first, first + purposes->cUsageIdentifier, [](std::string_view purpose) {
    return purpose == szOID_PKIX_KP_CLIENT_AUTH || purpose == szOID_ANY_ENHANCED_KEY_USAGE;
  });
}

/// The SubjectPublicKeyInfo as it stands in the certificate.
Bytes EncodePublicKey(CERT_PUBLIC_KEY_INFO const& info) {
  DWORD bytes = 0;
  if (CryptEncodeObjectEx(X509_ASN_ENCODING, X509_PUBLIC_KEY_INFO, &info, 0, nullptr, nullptr, &bytes) == FALSE) {
    return {};
  }
  Bytes encoded(bytes);
  if (CryptEncodeObjectEx(X509_ASN_ENCODING, X509_PUBLIC_KEY_INFO, &info, 0, nullptr, encoded.data(), &bytes) ==
      FALSE) {
    return {};
  }
  encoded.resize(bytes);
  return encoded;
}

}  // namespace

std::array<std::uint8_t, 32> Sha256(ByteView data) {
  std::array<std::uint8_t, 32> digest{};
  auto const status = BCryptHash(
      Sha256Provider(), nullptr, 0, const_cast<std::uint8_t*>(data.data()), static_cast<ULONG>(data.size()),
      digest.data(), static_cast<ULONG>(digest.size()));
  if (status != 0) {
    throw windows::Failure(errors::SystemFailure, "SHA-256 could not be computed", status, CheckCng);
  }
  return digest;
}

void FillRandom(gsl::span<std::uint8_t> buffer) {
  auto const status =
      BCryptGenRandom(nullptr, buffer.data(), static_cast<ULONG>(buffer.size()), BCRYPT_USE_SYSTEM_PREFERRED_RNG);
  if (status != 0) {
    throw windows::Failure(errors::SystemFailure, "The random generator gave nothing", status, CheckCng);
  }
}

std::optional<CertificateFacts> ReadCertificate(ByteView der) {
  auto const certificate = schannel::ParseCertificate(der);
  if (!certificate) {
    return std::nullopt;
  }
  CertificateFacts facts;
  facts.SubjectPublicKeyInfo = EncodePublicKey(certificate->pCertInfo->SubjectPublicKeyInfo);
  if (facts.SubjectPublicKeyInfo.empty()) {
    return std::nullopt;
  }
  facts.NotBefore = ToTimePoint(certificate->pCertInfo->NotBefore);
  facts.NotAfter = ToTimePoint(certificate->pCertInfo->NotAfter);
  facts.AllowsClientAuthentication = AllowsClientAuthentication(*certificate->pCertInfo);
  return facts;
}

bool VerifyPssSha256(ByteView subjectPublicKeyInfo, ByteView data, ByteView signature) {
  auto const info = Decode<CERT_PUBLIC_KEY_INFO>(
      X509_PUBLIC_KEY_INFO, subjectPublicKeyInfo.data(), static_cast<DWORD>(subjectPublicKeyInfo.size()));
  BCRYPT_KEY_HANDLE key = nullptr;
  if (!info || CryptImportPublicKeyInfoEx2(X509_ASN_ENCODING, info.get(), 0, nullptr, &key) == FALSE) {
    return false;
  }
  auto const destroy = gsl::finally([&] { BCryptDestroyKey(key); });
  auto hash = Sha256(data);
  BCRYPT_PSS_PADDING_INFO padding{BCRYPT_SHA256_ALGORITHM, 32};
  return BCryptVerifySignature(
             key, &padding, hash.data(), static_cast<ULONG>(hash.size()), const_cast<std::uint8_t*>(signature.data()),
             static_cast<ULONG>(signature.size()), BCRYPT_PAD_PSS) == 0;
}

gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeBindingCertificate(
    std::vector<BindingCertificate::Der> chain,
    gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> key,
    KeyStrength strength) {
  return schannel::MakeBindingCertificate(std::move(chain), std::move(key), strength);
}

std::vector<std::shared_ptr<KeyProvider>> PlatformKeyProviders() {
  return {windows::MakeKeyGuardKeyProvider(), windows::MakeTpmKeyProvider(), MakeSoftwareKeyProvider()};
}

std::shared_ptr<AttestationProvider> PlatformAttestationProvider() {
  return windows::MakeKeyGuardAttestationProvider().get();
}

}  // namespace mtlspop::crypto
