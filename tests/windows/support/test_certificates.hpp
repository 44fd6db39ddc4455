#pragma once

/// @file
/// Certificates for tests that talk to nobody.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mtlspop/transport/schannel.hpp"

namespace mtlspop::windows_tests {

/// What a self-signed certificate says.
struct CertificateText {
  std::wstring Subject = L"CN=test";
  /// Extended key usages; none: no such extension.
  std::vector<std::string> Purposes{};
  std::chrono::system_clock::time_point From = std::chrono::system_clock::now() - std::chrono::hours{24};
  std::chrono::system_clock::time_point To = std::chrono::system_clock::now() + std::chrono::hours{24};
};

/// A key in a container with a self-signed certificate for it.
gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeTestBinding(CertificateText const& text = {});

/// A binding that says it has this key id, with a certificate like no other's, and can do nothing else.
std::shared_ptr<BindingCertificate const> MakeNamedBinding(std::string keyId);

/// A self-signed certificate in DER for the public key `info`, signed with a key of its own.
std::vector<std::uint8_t> MakeCertificateFor(
    std::vector<std::uint8_t> const& subjectPublicKeyInfo, CertificateText const& text = {});

}  // namespace mtlspop::windows_tests
