#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <windows.h>

#include <bcrypt.h>

#include <gsl/util>

#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/saturated_time.hpp"
#include "mtlspop/base/windows/wide_text.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/headers.hpp"
#include "mtlspop/transport/required.hpp"
#include "mtlspop/transport/schannel.hpp"
#include "schannel/authority_certificate.hpp"
#include "schannel/certificate_keys.hpp"
#include "schannel/system_error.hpp"

namespace mtlspop::schannel {
namespace {

using Der = BindingCertificate::Der;

[[noreturn]] void Refuse(std::string what, std::string action) {
  ErrorDetails details{errors::InvalidBindingCertificate, std::move(what), std::move(action)};
  details.NothingSent = true;
  throw Error{std::move(details)};
}

/// The length of the DER value that `bytes` begin with, as its header says it (X.690 section 8.1.3); 0 where there is
/// none. crypt32 itself takes what follows a certificate for a part of it.
std::size_t DerLength(gsl::span<std::uint8_t const> bytes) noexcept {
  if (bytes.size() < 2) {
    return 0;
  }
  std::size_t const first = bytes[1];
  if (first < 0x80) {
    return first + 2;
  }
  std::size_t const count = first & 0x7FU;
  if (count == 0 || count > 4 || bytes.size() < count + 2) {
    return 0;
  }
  std::size_t length = 0;
  for (auto const byte : bytes.subspan(2, count)) {
    length = length << 8U | byte;
  }
  return length + count + 2;
}

CertificateContextPtr MustParse(Der const& der) {
  auto context = ParseCertificate(der);
  if (!context) {
    Refuse(
        "A certificate of the chain is not a DER-encoded X.509 certificate", "Check where the certificate came from");
  }
  return context;
}

template <std::size_t Bytes>
std::array<std::uint8_t, Bytes> Digest(wchar_t const* algorithm, Der const& der) {
  std::array<std::uint8_t, Bytes> digest{};
  BCRYPT_ALG_HANDLE provider = nullptr;
  auto status = BCryptOpenAlgorithmProvider(&provider, algorithm, nullptr, 0);
  if (status == 0) {
    auto input = der;
    status = BCryptHash(
        provider, nullptr, 0, input.data(), static_cast<ULONG>(input.size()), digest.data(), static_cast<ULONG>(Bytes));
    BCryptCloseAlgorithmProvider(provider, 0);
  }
  if (status != 0) {
    throw Error{ErrorDetails{
        errors::SystemFailure,
        "A digest over the certificate could not be computed: " + DescribeStatus(static_cast<std::uint32_t>(status)),
        "Check that CNG's primitive provider is there, and whether a policy forbids the algorithm"}};
  }
  return digest;
}

BindingCertificate::TimePoint ToTimePoint(FILETIME time) {
  // 100 ns since 1601-01-01; the clock of std::chrono counts from 1970-01-01.
  using Ticks = std::chrono::duration<std::int64_t, std::ratio<1, 10'000'000>>;
  constexpr std::int64_t epoch = 116'444'736'000'000'000;
  auto const ticks = static_cast<std::int64_t>(
      static_cast<std::uint64_t>(time.dwHighDateTime) << 32U | static_cast<std::uint64_t>(time.dwLowDateTime));
  return ToSaturatedTime(std::chrono::floor<std::chrono::seconds>(Ticks{ticks - epoch}).count());
}

std::string SubjectOf(PCCERT_CONTEXT certificate) {
  constexpr DWORD format = CERT_X500_NAME_STR | CERT_NAME_STR_REVERSE_FLAG;
  auto* const name = &certificate->pCertInfo->Subject;
  std::wstring text(CertNameToStrW(X509_ASN_ENCODING, name, format, nullptr, 0), L'\0');
  CertNameToStrW(X509_ASN_ENCODING, name, format, text.data(), static_cast<DWORD>(text.size()));
  text.resize(std::wstring::traits_type::length(text.c_str()));
  auto subject = Narrow(text);
  // Windows writes ", " between the parts, RFC 2253 a comma alone.
  for (auto at = subject.find(", "); at != std::string::npos; at = subject.find(", ", at + 1)) {
    subject.erase(at + 1, 1);
  }
  return subject;
}

/// RFC 5280 sections 4.2.1.3 and 4.2.1.12: an extension that is there must allow what the certificate is for.
void CheckUsage(PCCERT_CONTEXT certificate) {
  if (IsAuthorityOfOthers(certificate)) {
    Refuse(
        "The first certificate is one of an authority, which signs other certificates",
        "Pass the leaf certificate first, then the ones above it");
  }
  BYTE usage = 0;
  auto const hasUsage = CertGetIntendedKeyUsage(X509_ASN_ENCODING, certificate->pCertInfo, &usage, 1) != FALSE;
  if (hasUsage && (usage & CERT_DIGITAL_SIGNATURE_KEY_USAGE) == 0) {
    Refuse(
        "The certificate's key usage does not allow digital signatures",
        "Use a certificate whose key usage, where it has one, holds digitalSignature");
  }
  auto const* const extension = CertFindExtension(
      szOID_ENHANCED_KEY_USAGE, certificate->pCertInfo->cExtension, certificate->pCertInfo->rgExtension);
  if (extension == nullptr) {
    return;
  }
  DWORD bytes = 0;
  CERT_ENHKEY_USAGE* purposes = nullptr;
  if (CryptDecodeObjectEx(
          X509_ASN_ENCODING, X509_ENHANCED_KEY_USAGE, extension->Value.pbData, extension->Value.cbData,
          CRYPT_DECODE_ALLOC_FLAG, nullptr, &purposes, &bytes) == FALSE) {
    Refuse("The certificate holds an extension that cannot be read", "Check where the certificate came from");
  }
  auto const release = gsl::finally([&] { LocalFree(purposes); });
  auto* const* const first = purposes->rgpszUsageIdentifier;
  if (std::none_of(first, first + purposes->cUsageIdentifier, [](char const* purpose) {
        return std::string_view{purpose} == szOID_PKIX_KP_CLIENT_AUTH ||
               std::string_view{purpose} == szOID_ANY_ENHANCED_KEY_USAGE;
      })) {
    Refuse(
        "The certificate's extended key usage does not allow TLS client authentication",
        "Use a certificate whose extended key usage, where it has one, holds clientAuth");
  }
}

CertificateKey const& AsCertificateKey(PrivateKeyHandle const& handle) {
  auto const* key = dynamic_cast<CertificateKey const*>(&handle);
  if (key == nullptr) {
    Refuse(
        "The private key of the binding certificate is not one that SChannel can use",
        "Make the handle with a function of mtlspop/transport/schannel.hpp");
  }
  return *key;
}

std::shared_ptr<BindingCertificate const> Assemble(
    std::vector<Der> chain, PCCERT_CONTEXT leaf, std::shared_ptr<PrivateKeyHandle const> key, KeyStrength strength) {
  BindingCertificate::Parts parts;
  auto const sha256 = Digest<32>(BCRYPT_SHA256_ALGORITHM, chain.front());
  parts.X5tS256 = encoding::ToBase64Url(sha256);
  parts.Sha256Thumbprint = encoding::ToHex(sha256);
  parts.Sha1Thumbprint = encoding::ToHex(Digest<20>(BCRYPT_SHA1_ALGORITHM, chain.front()));
  parts.Subject = SubjectOf(leaf);
  parts.NotBefore = ToTimePoint(leaf->pCertInfo->NotBefore);
  parts.NotAfter = ToTimePoint(leaf->pCertInfo->NotAfter);
  parts.Chain = std::move(chain);
  parts.Key = std::move(key);
  parts.Strength = strength;
  return std::make_shared<BindingCertificate>(std::move(parts));
}

std::string NormalThumbprint(std::string_view text) {
  std::string thumbprint;
  for (char const character : text) {
    bool const small = character >= 'a' && character <= 'f';
    if (small || (character >= '0' && character <= '9') || (character >= 'A' && character <= 'F')) {
      thumbprint += static_cast<char>(small ? character - 'a' + 'A' : character);
    }
  }
  return thumbprint;
}

std::string CommonNameOf(PCCERT_CONTEXT certificate) {
  std::array<wchar_t, 256> name{};
  auto const length = CertGetNameStringW(
      certificate, CERT_NAME_ATTR_TYPE, 0, const_cast<char*>(szOID_COMMON_NAME), name.data(),
      static_cast<DWORD>(name.size()));
  return length <= 1 ? std::string{} : Narrow({name.data(), length - 1});
}

bool Matches(PCCERT_CONTEXT certificate, StoreQuery const& query, std::string const& thumbprint) {
  if (!query.Thumbprint.empty()) {
    Der const der(certificate->pbCertEncoded, certificate->pbCertEncoded + certificate->cbCertEncoded);
    return encoding::ToHex(Digest<20>(BCRYPT_SHA1_ALGORITHM, der)) == thumbprint;
  }
  return EqualsIgnoreCase(CommonNameOf(certificate), query.Subject) ||
         EqualsIgnoreCase(SubjectOf(certificate), query.Subject);
}

/// Of two matching certificates the one that is valid now, then the one that expires later.
bool IsBetter(PCCERT_CONTEXT candidate, PCCERT_CONTEXT best) {
  bool const candidateIsValid = CertVerifyTimeValidity(nullptr, candidate->pCertInfo) == 0;
  bool const bestIsValid = CertVerifyTimeValidity(nullptr, best->pCertInfo) == 0;
  if (candidateIsValid != bestIsValid) {
    return candidateIsValid;
  }
  return CompareFileTime(&candidate->pCertInfo->NotAfter, &best->pCertInfo->NotAfter) > 0;
}

/// What the provider's name says about where the key is kept.
KeyStrength StrengthOf(PCCERT_CONTEXT context) {
  DWORD bytes = 0;
  if (CertGetCertificateContextProperty(context, CERT_KEY_PROV_INFO_PROP_ID, nullptr, &bytes) == FALSE) {
    return KeyStrength::Software;
  }
  std::vector<CRYPT_KEY_PROV_INFO> info(bytes / sizeof(CRYPT_KEY_PROV_INFO) + 1);
  if (CertGetCertificateContextProperty(context, CERT_KEY_PROV_INFO_PROP_ID, info.data(), &bytes) == FALSE ||
      info.front().pwszProvName == nullptr) {
    return KeyStrength::Software;
  }
  std::wstring_view const provider{info.front().pwszProvName};
  bool const isHardware =
      provider == L"Microsoft Platform Crypto Provider" || provider == L"Microsoft Smart Card Key Storage Provider";
  return isHardware ? KeyStrength::Hardware : KeyStrength::Software;
}

}  // namespace

CertificateContextPtr ParseCertificate(gsl::span<std::uint8_t const> der) noexcept {
  if (der.empty() || DerLength(der) != der.size()) {
    return nullptr;
  }
  return CertificateContextPtr{
      CertCreateCertificateContext(X509_ASN_ENCODING, der.data(), static_cast<DWORD>(der.size()))};
}

gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeBindingCertificate(
    std::vector<Der> chain, std::shared_ptr<PrivateKeyHandle const> key, KeyStrength strength) {
  Required(key, "The private key of the binding certificate");
  if (chain.empty()) {
    Refuse("There is no certificate", "Pass the leaf certificate first, then the ones above it");
  }
  for (auto const& above : chain) {
    MustParse(above);
  }
  auto const leaf = MustParse(chain.front());
  CheckUsage(leaf.get());
  auto const publicKey = PublicKeyBlobOf(leaf->pCertInfo->SubjectPublicKeyInfo);
  if (publicKey.empty() || AsCertificateKey(*key).PublicKeyBlob() != publicKey) {
    Refuse(
        "The private key does not belong to the leaf certificate",
        "Check that the leaf comes first, and that key and certificate are of the same generation");
  }
  return Assemble(std::move(chain), leaf.get(), std::move(key), strength);
}

CertificateContextPtr MakeCertificateContext(CertificateFunctions& functions, BindingCertificate const& certificate) {
  auto const& key = AsCertificateKey(certificate.Key());
  auto* const store = functions.OpenMemoryStore();
  // The store stays open for as long as the context in it does.
  auto const close = gsl::finally([&] {
    if (store != nullptr) {
      functions.CloseStore(store);
    }
  });
  CertificateContextPtr leaf;
  for (auto const& der : certificate.Chain()) {
    PCCERT_CONTEXT added = nullptr;
    if (store == nullptr ||
        !functions.AddEncodedCertificate(store, der.data(), static_cast<DWORD>(der.size()), &added)) {
      Refuse(
          "Windows could not take the certificate: " + DescribeStatus(functions.LastError()),
          "Check where the certificate came from");
    }
    CertificateContextPtr context{added};
    if (!leaf) {
      leaf = std::move(context);
    }
  }
  key.AttachTo(leaf.get());
  return leaf;
}

CertificateContextPtr MakeCertificateContext(BindingCertificate const& certificate) {
  return MakeCertificateContext(*SystemCertificates(), certificate);
}

gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeBindingCertificateFromContext(PCCERT_CONTEXT context) {
  CheckUsage(Required(context, "The certificate for MakeBindingCertificateFromContext"));
  auto key = std::make_shared<StoredCertificateKey>(SystemCertificates(), context);
  if (!key->CanBeOpened()) {
    Refuse(
        "The certificate's private key could not be opened: " + DescribeStatus(GetLastError()),
        "Check that the certificate was imported together with its key and that this account may read the key");
  }
  Der leaf(context->pbCertEncoded, context->pbCertEncoded + context->cbCertEncoded);
  std::vector<Der> chain;
  chain.push_back(std::move(leaf));
  return Assemble(std::move(chain), context, std::move(key), StrengthOf(context));
}

gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeBindingCertificateFromStore(
    StoreLocation location, std::string_view store, StoreQuery const& query) {
  auto const thumbprint = NormalThumbprint(query.Thumbprint);
  if (query.Thumbprint.empty() == query.Subject.empty() || (!query.Thumbprint.empty() && thumbprint.size() != 40)) {
    throw Error{ErrorDetails{
        errors::InvalidArgument,
        "A certificate of a store is named by its SHA-1 thumbprint of 40 hexadecimal digits, or by its subject",
        "Set exactly one of StoreQuery's members"}};
  }
  auto const functions = SystemCertificates();
  auto const where =
      location == StoreLocation::CurrentUser ? CERT_SYSTEM_STORE_CURRENT_USER : CERT_SYSTEM_STORE_LOCAL_MACHINE;
  auto* const handle = functions->OpenSystemStore(static_cast<DWORD>(where), Widen(store).c_str(), false);
  if (handle == nullptr) {
    Refuse(
        "The certificate store \"" + std::string{store} +
            "\" could not be opened: " + DescribeStatus(functions->LastError()),
        "Check the store's name (\"My\" is the personal one) and that this account may read it");
  }
  auto const close = gsl::finally([&] { functions->CloseStore(handle); });
  CertificateContextPtr best;
  for (PCCERT_CONTEXT candidate = nullptr; (candidate = functions->NextCertificate(handle, candidate)) != nullptr;) {
    if (Matches(candidate, query, thumbprint) && (!best || IsBetter(candidate, best.get()))) {
      best.reset(functions->DuplicateCertificate(candidate));
    }
  }
  if (!best) {
    Refuse(
        "The certificate store \"" + std::string{store} + "\" holds no certificate with " +
            (query.Thumbprint.empty() ? "the subject \"" + query.Subject + "\"" : "the thumbprint " + thumbprint),
        "Check thumbprint or subject, and whether the certificate is in the other store location");
  }
  return MakeBindingCertificateFromContext(best.get());
}

}  // namespace mtlspop::schannel
