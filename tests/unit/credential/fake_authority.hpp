#pragma once

/// @file
/// What the fake services need of cryptography: defined with OpenSSL beside this header, with Windows' own in
/// tests/windows.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mtlspop/credential/key_provider.hpp"

namespace mtlspop::test {

/// How a certificate is issued.
struct CertificateTerms {
  std::chrono::seconds Life = std::chrono::hours{8};
  std::chrono::seconds Backdate = std::chrono::minutes{1};
  std::string KeyUsage = "critical,digitalSignature";
  std::string ExtendedKeyUsage = "clientAuth";
};

/// A certificate over the key `subjectPublicKeyInfo`, in DER, valid from `from` to `to`.
std::vector<std::uint8_t> IssueCertificate(
    std::vector<std::uint8_t> const& subjectPublicKeyInfo,
    std::chrono::system_clock::time_point from,
    std::chrono::system_clock::time_point to,
    CertificateTerms const& terms = {});

/// The SubjectPublicKeyInfo in a certificate request, in DER.
std::vector<std::uint8_t> PublicKeyOfRequest(std::vector<std::uint8_t> const& request);

/// One of a few keys that were made beforehand, since making one takes a tenth of a second.
std::shared_ptr<BindingKey const> ReadyKey(int number, KeyStrength strength);

std::string ToBase64(std::vector<std::uint8_t> const& data);
std::vector<std::uint8_t> FromBase64(std::string text);

}  // namespace mtlspop::test
