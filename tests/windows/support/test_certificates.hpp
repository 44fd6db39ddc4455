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
  /// "": the same as the subject.
  std::wstring Issuer{};
  /// Where the issuer's certificate can be fetched; "": no such extension (RFC 5280 section 4.2.2.1).
  std::wstring IssuerUrl{};
};

/// A key in a container with a self-signed certificate for it.
gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeTestBinding(CertificateText const& text = {});

/// A binding that says it has this `x5t#S256`, with a certificate like no other's, and can do nothing else.
std::shared_ptr<BindingCertificate const> MakeNamedBinding(std::string x5tS256);

/// A certificate in DER for the public key `info`, signed with the key of `MakeAuthority`'s.
std::vector<std::uint8_t> MakeCertificateFor(
    std::vector<std::uint8_t> const& subjectPublicKeyInfo, CertificateText const& text = {});

/// The subject of `MakeAuthority`.
constexpr wchar_t const* AuthorityName = L"CN=test authority";
/// The certificate in DER of an authority: a root, or an issuing authority under `issuer`, of which nothing else is known.
std::vector<std::uint8_t> MakeAuthority(std::wstring const& issuer = AuthorityName);
/// A list of that authority's in DER that is good for a day and revokes `revoked`, a certificate in DER; none where that is
/// empty. A partial one says so in a critical extension (RFC 5280 section 5.2.5).
std::vector<std::uint8_t> MakeRevocationList(std::vector<std::uint8_t> const& revoked, bool isPartial);

}  // namespace mtlspop::windows_tests
