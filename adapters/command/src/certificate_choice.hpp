#pragma once

/// @file
/// Where an application's certificate is.

#include <functional>
#include <memory>
#include <string>

#include "identity_options.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"

namespace mtlspop::command {

/// What `--cert` can be.
enum class CertificatePlace { File, Store, Pkcs11, Tpm };

/// "pkcs11:..." is a token's, "tpm:..." a TPM's, "file:..." and "cert:..." the store's; anything else is a file.
CertificatePlace PlaceOf(std::string const& certificate) noexcept;

/// Writes one of the sources of the certificate, and the password, into `credential`.
/// @throw Error `usage`, `not_built`, `read_failed`
void ChooseCertificate(IdentityOptions const& options, ClientCertificateCredentialOptions& credential);

/// Gives the certificate itself: of a token, a TPM, or a PEM file without password.
/// @throw Error the same
std::function<std::shared_ptr<BindingCertificate const>()> CertificateOf(IdentityOptions const& options);

}  // namespace mtlspop::command
