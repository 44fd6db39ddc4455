#pragma once

/// @file
/// A certificate authority for tests, made with OpenSSL and without the library under test, so that a mistake made in
/// the library is not made here too.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "mtlspop/transport/binding_certificate.hpp"
#include "temporary_directory.hpp"

namespace mtlspop::test {

/// What kind of key a certificate is for. Elliptic ones are made in no time; RSA is what the services issue for.
enum class KeyKind { EcP256, Rsa2048 };

/// What a certificate says. The defaults are those of a good one.
struct CertificateRequest {
  std::string CommonName = "localhost";
  std::vector<std::string> DnsNames;
  std::vector<std::string> IpAddresses;
  KeyKind Key = KeyKind::EcP256;
  /// Uses this key in place of a new one: a renewal with the same key.
  std::shared_ptr<EVP_PKEY> ExistingKey;
  /// Relative to now.
  std::chrono::seconds NotBefore = -std::chrono::hours{1};
  std::chrono::seconds NotAfter = std::chrono::hours{24};
  /// Value of the extended key usage extension in OpenSSL's words, "" for none.
  std::string ExtendedKeyUsage;
  /// Value of the key usage extension in OpenSSL's words, "" for none.
  std::string KeyUsage = "critical,digitalSignature";
  /// Value of the basic constraints extension in OpenSSL's words.
  std::string BasicConstraints = "critical,CA:FALSE";
};

/// A certificate with its key, in memory and in files.
struct IssuedCertificate {
  std::string CertificatePem;
  std::string PrivateKeyPem;
  std::string CertificatePath;
  std::string PrivateKeyPath;
  /// Certificate and key in one file, as HAProxy wants them.
  std::string CombinedPath;
  /// `x5t#S256`.
  std::string X5tS256;
  std::shared_ptr<EVP_PKEY> Key;
  std::shared_ptr<X509> Certificate;
};

/// Thread safety: none.
class TestCertificateAuthority final {
 public:
  explicit TestCertificateAuthority(std::string_view commonName = "mtlspop test CA");
  /// One that `above` vouches for; with `key`, of that key: one authority can have several certificates.
  TestCertificateAuthority(
      std::string_view commonName,
      TestCertificateAuthority const& above,
      std::chrono::seconds notAfter = std::chrono::hours{48},
      std::shared_ptr<EVP_PKEY> key = nullptr);

  std::string const& CertificatePem() const noexcept { return certificatePem_; }
  std::string const& CertificatePath() const noexcept { return certificatePath_; }
  X509* Certificate() const noexcept { return certificate_.get(); }
  std::shared_ptr<EVP_PKEY> const& Key() const noexcept { return key_; }

  /// A certificate that says exactly what `request` says.
  IssuedCertificate Issue(CertificateRequest const& request);
  /// For localhost, 127.0.0.1 and ::1, for TLS servers.
  IssuedCertificate IssueForLoopback();
  /// For these names, for TLS servers.
  IssuedCertificate IssueForNames(std::vector<std::string> dnsNames);
  /// For TLS clients.
  IssuedCertificate IssueForClient(std::string_view commonName, KeyKind key = KeyKind::EcP256);

  /// Writes a revocation list that revokes these certificates, as PEM, and returns its path.
  /// @param nextUpdate relative to now; negative for a list that is out of date.
  std::string WriteRevocationList(
      std::vector<IssuedCertificate> const& revoked, std::chrono::seconds nextUpdate = std::chrono::hours{24});

 private:
  void Certify(
      std::string_view commonName, X509* issuer, EVP_PKEY* issuerKey, long serial, std::chrono::seconds notAfter);

  TemporaryDirectory directory_;
  std::shared_ptr<EVP_PKEY> key_;
  std::shared_ptr<X509> certificate_;
  std::string certificatePem_;
  std::string certificatePath_;
  long nextSerial_ = 2;
  int filesWritten_ = 0;
};

std::shared_ptr<EVP_PKEY> GenerateKey(KeyKind kind);

/// `x5t#S256` of a certificate.
std::string X5tS256Of(X509 const* certificate);

/// The certificate as the library takes it.
std::shared_ptr<BindingCertificate const> ToBinding(IssuedCertificate const& certificate);

}  // namespace mtlspop::test
