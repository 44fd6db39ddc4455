#include "certificate_choice.hpp"

#include <algorithm>
#include <ctime>

#include <openssl/x509v3.h>

namespace mtlspop::crypto {
namespace {

bool IsValidAt(X509* certificate, std::time_t now) noexcept {
  // Neither answers 0 but for what cannot be read.
  return X509_cmp_time(X509_get0_notBefore(certificate), &now) < 0 &&
         X509_cmp_time(X509_get0_notAfter(certificate), &now) > 0;
}

bool IsSelfIssued(X509* certificate) noexcept {
  return X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0;
}

/// By name and key identifiers, and by the signature, since names can be had by anybody.
bool Issued(X509* issuer, X509* certificate) noexcept {
  return X509_check_issued(issuer, certificate) == X509_V_OK && X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
}

/// The certificate that issued `certificate`, one that is valid now before others; null for none.
X509* FindIssuer(CertificateMaterial const& material, X509* certificate, std::time_t now) noexcept {
  X509* found = nullptr;
  for (auto const& candidate : material.Certificates) {
    if (candidate.get() == certificate || !Issued(candidate.get(), certificate)) continue;
    if (IsValidAt(candidate.get(), now)) return candidate.get();
    if (found == nullptr) found = candidate.get();
  }
  return found;
}

std::vector<X509*> BuildChain(CertificateMaterial const& material, X509* leaf, std::time_t now) {
  std::vector<X509*> chain{leaf};
  while (!IsSelfIssued(chain.back())) {
    auto* const issuer = FindIssuer(material, chain.back(), now);
    // Two authorities that issued each other's certificates would go on for ever.
    bool const isKnown = std::find(chain.begin(), chain.end(), issuer) != chain.end();
    if (issuer == nullptr || isKnown || IsSelfIssued(issuer)) break;
    chain.push_back(issuer);
  }
  return chain;
}

}  // namespace

CertificateChoice ChooseCertificate(
    CertificateMaterial const& material, std::chrono::system_clock::time_point now, std::string const& name) {
  auto const clear = gsl::finally([] { ERR_clear_error(); });
  if (material.Certificates.empty()) {
    RefuseClientCertificate(
        name, "holds a private key and no certificate that can be read",
        "Add the certificate that was issued for the key, and those above it but for the root");
  }
  auto const time = std::chrono::system_clock::to_time_t(now);
  CertificateChoice choice;
  X509* leaf = nullptr;
  for (auto const& key : material.Keys) {
    for (auto const& certificate : material.Certificates) {
      if (X509_check_private_key(certificate.get(), key.get()) != 1) continue;
      bool const isValid = IsValidAt(certificate.get(), time);
      if (leaf != nullptr && !isValid) continue;
      leaf = certificate.get();
      choice.Key = key.get();
      if (isValid) return {choice.Key, BuildChain(material, leaf, time)};
    }
  }
  if (leaf == nullptr) {
    RefuseClientCertificate(
        name, "holds no certificate for its private key",
        "Give the certificate and the key that were made together: their public keys differ");
  }
  choice.Chain = BuildChain(material, leaf, time);
  return choice;
}

}  // namespace mtlspop::crypto
