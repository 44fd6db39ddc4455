#pragma once

/// @file
/// What certificate and key files hold, before anything is chosen from it.

#include <string>
#include <vector>

#include "mtlspop/transport/secret.hpp"
#include "ossl.hpp"

namespace mtlspop::crypto {

/// What was found in a file or store, in the order in which it was found.
struct CertificateMaterial {
  std::vector<openssl::X509Ptr> Certificates;
  std::vector<openssl::EvpPkeyPtr> Keys;
};

/// Throws the `Error` `client_certificate_unusable`: the client certificate `name` `what`.
[[noreturn]] void RefuseClientCertificate(std::string const& name, std::string const& what, std::string const& action);

/// Reads PEM or PKCS#12. At least one key is in what is returned. `name` is for messages.
/// @throw Error `client_certificate_unusable`, with the algorithm that is missing, whether a password is, and the way out
CertificateMaterial ReadCertificateMaterial(Secret const& content, Secret const& password, std::string const& name);

/// Reads what a URI of OpenSSL's stores names; otherwise the same.
CertificateMaterial ReadCertificateMaterialFromUri(
    std::string const& uri, Secret const& password, std::string const& name);

}  // namespace mtlspop::crypto
