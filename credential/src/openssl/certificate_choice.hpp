#pragma once

/// @file
/// Which of the certificates found belongs to the key, and which go along with it.

#include <chrono>
#include <string>
#include <vector>

#include "certificate_material.hpp"

namespace mtlspop::crypto {

/// Pointers into the material that it was chosen from.
struct CertificateChoice {
  EVP_PKEY* Key = nullptr;
  /// The leaf, then each one's issuer as far as it was found, without a root and without strangers (RFC 5246 section
  /// 7.4.2).
  std::vector<X509*> Chain;
};

/// Of the certificates that belong to one of the keys the first that is valid at `now`, else the first.
/// @throw Error `client_certificate_unusable` where none belongs to a key
CertificateChoice ChooseCertificate(
    CertificateMaterial const& material, std::chrono::system_clock::time_point now, std::string const& name);

}  // namespace mtlspop::crypto
