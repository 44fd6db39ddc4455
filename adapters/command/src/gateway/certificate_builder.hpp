#pragma once

/// @file
/// Makes X.509 certificates.

#include <chrono>
#include <string>

#include "mtlspop/base/openssl/owners.hpp"

namespace mtlspop::gateway {

/// What goes into a certificate. Text of extensions is in the form of x509v3_config(5).
struct CertificatePlan {
  std::string CommonName;
  std::chrono::system_clock::time_point NotBefore;
  std::chrono::system_clock::time_point NotAfter;
};

/// A P-256 key.
/// @throw Error `system_failure`
openssl::EvpPkeyPtr MakeKey();

/// Builds one certificate.
class CertificateBuilder final {
 public:
  /// @param issuer null for a certificate that issues itself.
  /// @throw Error `system_failure`; so do the others.
  CertificateBuilder(CertificatePlan const& plan, EVP_PKEY& subjectKey, X509* issuer);

  CertificateBuilder& Extension(int nid, std::string const& value);
  openssl::X509Ptr Sign(EVP_PKEY& issuerKey);

 private:
  openssl::X509Ptr certificate_;
  X509* issuer_;
};

/// @throw Error `system_failure` with OpenSSL's reason, where `isGood` is false
void CheckOpenSsl(bool isGood, char const* what);

}  // namespace mtlspop::gateway
