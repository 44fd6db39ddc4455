#include "certificate_choice.hpp"

#include <algorithm>
#include <optional>

#include <windows.h>

#include <wincrypt.h>

namespace mtlspop::windows {
namespace {

using Certificates = std::vector<schannel::CertificateContextPtr>;

/// Windows counts 100 ns from 1601.
FILETIME ToFileTime(std::chrono::system_clock::time_point time) {
  constexpr std::int64_t from1601To1970 = 11'644'473'600;
  auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  auto const ticks = static_cast<std::uint64_t>((seconds + from1601To1970) * 10'000'000);
  return {static_cast<DWORD>(ticks & 0xFFFFFFFFU), static_cast<DWORD>(ticks >> 32U)};
}

bool IsValidAt(PCCERT_CONTEXT certificate, std::chrono::system_clock::time_point now) {
  auto time = ToFileTime(now);
  return CertVerifyTimeValidity(&time, certificate->pCertInfo) == 0;
}

bool HasName(CERT_NAME_BLOB const& left, CERT_NAME_BLOB const& right) {
  return CertCompareCertificateName(
             X509_ASN_ENCODING, const_cast<CERT_NAME_BLOB*>(&left), const_cast<CERT_NAME_BLOB*>(&right)) != FALSE;
}

bool IsSelfIssued(PCCERT_CONTEXT certificate) {
  return HasName(certificate->pCertInfo->Subject, certificate->pCertInfo->Issuer);
}

/// By name, and by the signature, since names can be had by anybody.
bool Issued(PCCERT_CONTEXT issuer, PCCERT_CONTEXT certificate) {
  return HasName(issuer->pCertInfo->Subject, certificate->pCertInfo->Issuer) &&
         CryptVerifyCertificateSignatureEx(
             0, X509_ASN_ENCODING, CRYPT_VERIFY_CERT_SIGN_SUBJECT_CERT, const_cast<CERT_CONTEXT*>(certificate),
             CRYPT_VERIFY_CERT_SIGN_ISSUER_CERT, const_cast<CERT_CONTEXT*>(issuer), 0, nullptr) != FALSE;
}

/// One that is valid now before others.
std::optional<std::size_t> FindIssuer(
    Certificates const& certificates, std::size_t of, std::chrono::system_clock::time_point now) {
  std::optional<std::size_t> found;
  for (std::size_t index = 0; index < certificates.size(); ++index) {
    if (index == of || !Issued(certificates[index].get(), certificates[of].get())) continue;
    if (IsValidAt(certificates[index].get(), now)) return index;
    if (!found) found = index;
  }
  return found;
}

}  // namespace

std::vector<std::size_t> ChooseCertificates(
    Certificates const& certificates,
    std::function<bool(std::size_t)> const& hasKey,
    std::chrono::system_clock::time_point now) {
  std::vector<std::size_t> chain;
  for (std::size_t index = 0; index < certificates.size(); ++index) {
    if (!hasKey(index)) continue;
    bool const isValid = IsValidAt(certificates[index].get(), now);
    if (chain.empty() || isValid) chain.assign(1, index);
    if (isValid) break;
  }
  while (!chain.empty() && !IsSelfIssued(certificates[chain.back()].get())) {
    auto const issuer = FindIssuer(certificates, chain.back(), now);
    // Two authorities that issued each other's certificates would go on for ever.
    bool const isKnown = issuer && std::find(chain.begin(), chain.end(), *issuer) != chain.end();
    if (!issuer || isKnown || IsSelfIssued(certificates[*issuer].get())) break;
    chain.push_back(*issuer);
  }
  return chain;
}

}  // namespace mtlspop::windows
