#include "test_certificates.hpp"

#include <atomic>
#include <stdexcept>
#include <utility>

#include <gsl/util>

#include "container_keys.hpp"

namespace mtlspop::windows_tests {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes Encode(char const* type, void const* structure) {
  DWORD bytes = 0;
  CryptEncodeObjectEx(X509_ASN_ENCODING, type, structure, 0, nullptr, nullptr, &bytes);
  Bytes encoded(bytes);
  if (CryptEncodeObjectEx(X509_ASN_ENCODING, type, structure, 0, nullptr, encoded.data(), &bytes) == FALSE) {
    throw std::runtime_error{"CryptEncodeObjectEx failed with " + std::to_string(GetLastError())};
  }
  encoded.resize(bytes);
  return encoded;
}

Bytes EncodeName(std::wstring const& subject) {
  DWORD bytes = 0;
  CertStrToNameW(X509_ASN_ENCODING, subject.c_str(), CERT_X500_NAME_STR, nullptr, nullptr, &bytes, nullptr);
  Bytes name(bytes);
  CertStrToNameW(X509_ASN_ENCODING, subject.c_str(), CERT_X500_NAME_STR, nullptr, name.data(), &bytes, nullptr);
  return name;
}

/// Counted in tenths of microseconds since 1601.
FILETIME ToFileTime(std::chrono::system_clock::time_point time) {
  constexpr std::int64_t secondsFrom1601To1970 = 11'644'473'600;
  auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  ULARGE_INTEGER ticks{};
  ticks.QuadPart = static_cast<ULONGLONG>((seconds + secondsFrom1601To1970) * 10'000'000);
  return {ticks.LowPart, ticks.HighPart};
}

/// A key that is there for the signature alone.
class SigningKey final {
 public:
  SigningKey() {
    if (CryptAcquireContextW(&provider_, nullptr, MS_ENH_RSA_AES_PROV_W, PROV_RSA_AES, CRYPT_VERIFYCONTEXT) == FALSE ||
        CryptGenKey(provider_, AT_SIGNATURE, 2048U << 16U, &key_) == FALSE) {
      throw std::runtime_error{"no signing key: " + std::to_string(GetLastError())};
    }
  }
  ~SigningKey() {
    CryptDestroyKey(key_);
    CryptReleaseContext(provider_, 0);
  }
  SigningKey(SigningKey const&) = delete;
  SigningKey& operator=(SigningKey const&) = delete;
  HCRYPTPROV Provider() const noexcept { return provider_; }

 private:
  HCRYPTPROV provider_ = 0;
  HCRYPTKEY key_ = 0;
};

}  // namespace

Bytes MakeCertificateFor(Bytes const& subjectPublicKeyInfo, CertificateText const& text) {
  CERT_PUBLIC_KEY_INFO* publicKey = nullptr;
  DWORD bytes = 0;
  CryptDecodeObjectEx(
      X509_ASN_ENCODING, X509_PUBLIC_KEY_INFO, subjectPublicKeyInfo.data(),
      static_cast<DWORD>(subjectPublicKeyInfo.size()), CRYPT_DECODE_ALLOC_FLAG, nullptr, &publicKey, &bytes);
  auto const free = gsl::finally([&] { LocalFree(publicKey); });
  auto name = EncodeName(text.Subject);
  static std::atomic<std::uint32_t> next{0x010203};
  auto number = next++;
  BYTE serial[] = {
      static_cast<BYTE>(number), static_cast<BYTE>(number >> 8U), static_cast<BYTE>(number >> 16U & 0x7FU), 1};
  CERT_INFO info{};
  info.dwVersion = CERT_V3;
  info.SerialNumber = {sizeof serial, serial};
  info.SignatureAlgorithm.pszObjId = const_cast<char*>(szOID_RSA_SHA256RSA);
  info.Issuer = info.Subject = {static_cast<DWORD>(name.size()), name.data()};
  info.NotBefore = ToFileTime(text.From);
  info.NotAfter = ToFileTime(text.To);
  info.SubjectPublicKeyInfo = *publicKey;

  std::vector<char*> purposes;
  for (auto const& purpose : text.Purposes) {
    purposes.push_back(const_cast<char*>(purpose.c_str()));
  }
  CERT_ENHKEY_USAGE const usage{static_cast<DWORD>(purposes.size()), purposes.data()};
  auto encodedUsage = purposes.empty() ? Bytes{} : Encode(X509_ENHANCED_KEY_USAGE, &usage);
  CERT_EXTENSION extension{};
  extension.pszObjId = const_cast<char*>(szOID_ENHANCED_KEY_USAGE);
  extension.Value = {static_cast<DWORD>(encodedUsage.size()), encodedUsage.data()};
  info.cExtension = purposes.empty() ? 0 : 1;
  info.rgExtension = &extension;

  static SigningKey const key;
  Bytes certificate(4096);
  bytes = static_cast<DWORD>(certificate.size());
  if (CryptSignAndEncodeCertificate(
          key.Provider(), AT_SIGNATURE, X509_ASN_ENCODING, X509_CERT_TO_BE_SIGNED, &info, &info.SignatureAlgorithm,
          nullptr, certificate.data(), &bytes) == FALSE) {
    throw std::runtime_error{"CryptSignAndEncodeCertificate failed with " + std::to_string(GetLastError())};
  }
  certificate.resize(bytes);
  return certificate;
}

gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeTestBinding(CertificateText const& text) {
  auto const key = MakeContainerKeyProvider()->GetOrCreateKey({}, {});
  return schannel::MakeBindingCertificate(
      {MakeCertificateFor(key->SubjectPublicKeyInfo(), text)}, key->Handle(), KeyStrength::Software);
}

std::shared_ptr<BindingCertificate const> MakeNamedBinding(std::string keyId) {
  static auto const key = MakeContainerKeyProvider()->GetOrCreateKey({}, {});
  auto const real = schannel::MakeBindingCertificate(
      {MakeCertificateFor(key->SubjectPublicKeyInfo())}, key->Handle(), KeyStrength::Software);
  BindingCertificate::Parts parts;
  parts.Chain = real->Chain();
  parts.Key = real->SharedKey();
  parts.Strength = real->Strength();
  parts.KeyId = std::move(keyId);
  return std::make_shared<BindingCertificate>(std::move(parts));
}

}  // namespace mtlspop::windows_tests
