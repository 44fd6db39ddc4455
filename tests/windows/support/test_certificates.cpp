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

SigningKey const& AuthorityKey() {
  static SigningKey const key;
  return key;
}

Bytes Sign(char const* type, void const* structure) {
  CRYPT_ALGORITHM_IDENTIFIER algorithm{const_cast<char*>(szOID_RSA_SHA256RSA), {}};
  Bytes encoded(4096);
  auto bytes = static_cast<DWORD>(encoded.size());
  if (CryptSignAndEncodeCertificate(
          AuthorityKey().Provider(), AT_SIGNATURE, X509_ASN_ENCODING, type, structure, &algorithm, nullptr,
          encoded.data(), &bytes) == FALSE) {
    throw std::runtime_error{"CryptSignAndEncodeCertificate failed with " + std::to_string(GetLastError())};
  }
  encoded.resize(bytes);
  return encoded;
}

CERT_EXTENSION Extension(char const* id, bool isCritical, Bytes& value) {
  return {const_cast<char*>(id), isCritical, {static_cast<DWORD>(value.size()), value.data()}};
}

Bytes EncodeIssuerUrl(std::wstring url) {
  CERT_ACCESS_DESCRIPTION place{};
  place.pszAccessMethod = const_cast<char*>(szOID_PKIX_CA_ISSUERS);
  place.AccessLocation.dwAltNameChoice = CERT_ALT_NAME_URL;
  place.AccessLocation.pwszURL = url.data();
  CERT_AUTHORITY_INFO_ACCESS const access{1, &place};
  return Encode(X509_AUTHORITY_INFO_ACCESS, &access);
}

}  // namespace

Bytes MakeCertificateFor(Bytes const& subjectPublicKeyInfo, CertificateText const& text) {
  CERT_PUBLIC_KEY_INFO* publicKey = nullptr;
  DWORD bytes = 0;
  CryptDecodeObjectEx(
      X509_ASN_ENCODING, X509_PUBLIC_KEY_INFO, subjectPublicKeyInfo.data(),
      static_cast<DWORD>(subjectPublicKeyInfo.size()), CRYPT_DECODE_ALLOC_FLAG, nullptr, &publicKey, &bytes);
  auto const release = gsl::finally([&] { LocalFree(publicKey); });
  auto name = EncodeName(text.Subject);
  auto issuer = EncodeName(text.Issuer.empty() ? text.Subject : text.Issuer);
  static std::atomic<std::uint32_t> next{0x010203};
  auto number = next++;
  BYTE serial[] = {
      static_cast<BYTE>(number), static_cast<BYTE>(number >> 8U), static_cast<BYTE>(number >> 16U & 0x7FU), 1};
  CERT_INFO info{};
  info.dwVersion = CERT_V3;
  info.SerialNumber = {sizeof serial, serial};
  info.SignatureAlgorithm.pszObjId = const_cast<char*>(szOID_RSA_SHA256RSA);
  info.Issuer = {static_cast<DWORD>(issuer.size()), issuer.data()};
  info.Subject = {static_cast<DWORD>(name.size()), name.data()};
  info.NotBefore = ToFileTime(text.From);
  info.NotAfter = ToFileTime(text.To);
  info.SubjectPublicKeyInfo = *publicKey;

  std::vector<char*> purposes;
  for (auto const& purpose : text.Purposes) {
    purposes.push_back(const_cast<char*>(purpose.c_str()));
  }
  std::vector<CERT_EXTENSION> extensions;
  CERT_ENHKEY_USAGE const usage{static_cast<DWORD>(purposes.size()), purposes.data()};
  auto encodedUsage = purposes.empty() ? Bytes{} : Encode(X509_ENHANCED_KEY_USAGE, &usage);
  if (!purposes.empty()) {
    extensions.push_back(Extension(szOID_ENHANCED_KEY_USAGE, false, encodedUsage));
  }
  auto encodedPlace = text.IssuerUrl.empty() ? Bytes{} : EncodeIssuerUrl(text.IssuerUrl);
  if (!text.IssuerUrl.empty()) {
    extensions.push_back(Extension(szOID_AUTHORITY_INFO_ACCESS, false, encodedPlace));
  }
  info.cExtension = static_cast<DWORD>(extensions.size());
  info.rgExtension = extensions.data();

  return Sign(X509_CERT_TO_BE_SIGNED, &info);
}

Bytes MakeAuthority(std::wstring const& issuerName) {
  DWORD bytes = 0;
  CryptExportPublicKeyInfo(AuthorityKey().Provider(), AT_SIGNATURE, X509_ASN_ENCODING, nullptr, &bytes);
  std::vector<CERT_PUBLIC_KEY_INFO> key(bytes / sizeof(CERT_PUBLIC_KEY_INFO) + 1);
  CryptExportPublicKeyInfo(AuthorityKey().Provider(), AT_SIGNATURE, X509_ASN_ENCODING, key.data(), &bytes);
  auto name = EncodeName(AuthorityName);
  auto issuer = EncodeName(issuerName);
  CERT_BASIC_CONSTRAINTS2_INFO constraints{};
  constraints.fCA = TRUE;
  auto encodedConstraints = Encode(X509_BASIC_CONSTRAINTS2, &constraints);
  auto extension = Extension(szOID_BASIC_CONSTRAINTS2, true, encodedConstraints);
  BYTE serial[] = {1};
  CERT_INFO info{};
  info.dwVersion = CERT_V3;
  info.SerialNumber = {sizeof serial, serial};
  info.SignatureAlgorithm.pszObjId = const_cast<char*>(szOID_RSA_SHA256RSA);
  info.Issuer = {static_cast<DWORD>(issuer.size()), issuer.data()};
  info.Subject = {static_cast<DWORD>(name.size()), name.data()};
  info.NotBefore = ToFileTime(CertificateText{}.From);
  info.NotAfter = ToFileTime(CertificateText{}.To);
  info.SubjectPublicKeyInfo = key.front();
  info.cExtension = 1;
  info.rgExtension = &extension;
  return Sign(X509_CERT_TO_BE_SIGNED, &info);
}

Bytes MakeRevocationList(Bytes const& revoked, bool isPartial) {
  auto const certificate = schannel::ParseCertificate(revoked);
  CRL_ENTRY entry{};
  if (certificate) {
    entry.SerialNumber = certificate->pCertInfo->SerialNumber;
    entry.RevocationDate = ToFileTime(CertificateText{}.From);
  }
  auto name = EncodeName(AuthorityName);
  // IssuingDistributionPoint with onlyContainsUserCerts.
  Bytes point{0x30, 0x03, 0x81, 0x01, 0xFF};
  auto extension = Extension(szOID_ISSUING_DIST_POINT, true, point);
  CRL_INFO info{};
  info.dwVersion = CRL_V2;
  info.SignatureAlgorithm.pszObjId = const_cast<char*>(szOID_RSA_SHA256RSA);
  info.Issuer = {static_cast<DWORD>(name.size()), name.data()};
  info.ThisUpdate = ToFileTime(CertificateText{}.From);
  info.NextUpdate = ToFileTime(CertificateText{}.To);
  info.cCRLEntry = certificate ? 1 : 0;
  info.rgCRLEntry = &entry;
  info.cExtension = isPartial ? 1 : 0;
  info.rgExtension = &extension;
  return Sign(X509_CERT_CRL_TO_BE_SIGNED, &info);
}

gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeTestBinding(CertificateText const& text) {
  auto const key = MakeContainerKeyProvider()->GetOrCreateKey({}, {});
  return schannel::MakeBindingCertificate(
      {MakeCertificateFor(key->SubjectPublicKeyInfo(), text)}, key->Handle(), KeyStrength::Software);
}

std::shared_ptr<BindingCertificate const> MakeNamedBinding(std::string x5tS256) {
  static auto const key = MakeContainerKeyProvider()->GetOrCreateKey({}, {});
  auto const real = schannel::MakeBindingCertificate(
      {MakeCertificateFor(key->SubjectPublicKeyInfo())}, key->Handle(), KeyStrength::Software);
  BindingCertificate::Parts parts;
  parts.Chain = real->Chain();
  parts.Key = real->SharedKey();
  parts.Strength = real->Strength();
  parts.X5tS256 = std::move(x5tS256);
  return std::make_shared<BindingCertificate>(std::move(parts));
}

}  // namespace mtlspop::windows_tests
