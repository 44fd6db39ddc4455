// The emulator's own certificate authority, made at start: a root for its servers, an issuing one for bindings.
#pragma once

#include <chrono>
#include <string>

#include "openssl_types.hpp"

namespace mtlspop_emulator {

struct Identity;

struct BindingCertificateTerms {
  std::chrono::seconds Lifetime{0};
  std::chrono::seconds Backdate{0};
  bool ForClientAuth = true;
};

class CertificateAuthority {
 public:
  CertificateAuthority();

  std::string RootPem() const;
  X509* ServerCertificate() const { return _server.get(); }
  EVP_PKEY* ServerKey() const { return _serverKey.get(); }

  // A leaf with subject CN={client id}, DC={tenant id} for that public key. Thread safe.
  CertificatePtr Issue(Identity const& identity, EVP_PKEY* publicKey, BindingCertificateTerms const& terms) const;

  // Whether the issuing authority signed it; says nothing of its validity in time.
  bool HasIssued(X509* certificate) const;

 private:
  KeyPtr _rootKey;
  KeyPtr _issuingKey;
  KeyPtr _serverKey;
  CertificatePtr _root;
  CertificatePtr _issuing;
  CertificatePtr _server;
};

}  // namespace mtlspop_emulator
