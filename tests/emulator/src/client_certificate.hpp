// What a service needs to know of the certificate a client presented.
#pragma once

#include <openssl/x509.h>

#include <ctime>
#include <string>

namespace mtlspop_emulator {

struct ClientCertificate {
  std::string Der;
  std::string X5tS256;  // x5t#S256: base64url of SHA-256 over the whole leaf in DER.
  std::string CommonName;
  std::string DomainComponent;
  std::time_t NotBefore = 0;
  std::time_t NotAfter = 0;
  bool AllowsClientAuth = false;
};

ClientCertificate DescribeCertificate(X509* certificate);

std::string DerOf(X509* certificate);

std::string X5tS256Of(X509* certificate);

}  // namespace mtlspop_emulator
