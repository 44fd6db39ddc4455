#pragma once

/// @file
/// The certificate request that the instance metadata service takes (PKCS#10, RFC 2986).

#include <cstdint>
#include <string>
#include <vector>

#include "mtlspop/credential/key_provider.hpp"

namespace mtlspop {

/// Whom the certificate is for.
struct CertificateRequestSubject {
  std::string ClientId;
  std::string TenantId;
  /// Compact JSON: `vmId` first, then `vmssId`, absent members left out.
  std::string CuIdJson;
};

/// The CertificationRequest in DER, as .NET writes it byte for byte: version 0, subject DC={tenant id} (IA5String) and
/// then CN={client id} (PrintableString), the key, one attribute 1.3.6.1.4.1.311.90.2.10 with the JSON as UTF8String;
/// signed RSASSA-PSS with SHA-256, MGF1 with SHA-256, salt 32, the parameters written out but for the trailer field,
/// whose value is the default (RFC 4055 section 3.1), and without NULL behind the identifiers of SHA-256.
/// @throw Error `private_key_unusable`
std::vector<std::uint8_t> MakeCertificateRequest(CertificateRequestSubject const& subject, BindingKey const& key);

}  // namespace mtlspop
