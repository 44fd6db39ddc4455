// TLS settings of each server, and how a connection's verification is told about faults.
#pragma once

#include <string>

#include "openssl_types.hpp"

namespace mtlspop_emulator {

class CertificateAuthority;
class Directory;
struct Options;

// Attached to each server-side SSL.
struct TlsConnectionState {
  std::string RejectHandshake;    // An armed fault: refuse the client's certificate.
  unsigned FinishedReceived = 0;  // Counts Finished messages, so that the end of a renegotiation is seen.
};

TlsConnectionState& StateOf(SSL* ssl);
void Attach(SSL* ssl, TlsConnectionState& state);

// Decides whether the token service's handshake accepts the certificate.
class ClientCertificateGate {
 public:
  ClientCertificateGate(CertificateAuthority const& authority, Directory const& directory);
  bool Admits(X509* certificate) const;

 private:
  CertificateAuthority const& _authority;
  Directory const& _directory;
};

// The gate must outlive the context.
SslContextPtr MakeTokenServiceContext(
    Options const& options, CertificateAuthority const& authority, ClientCertificateGate const& gate);
SslContextPtr MakeVaultContext(Options const& options, CertificateAuthority const& authority);
SslContextPtr MakeAttestationContext(Options const& options, CertificateAuthority const& authority);

}  // namespace mtlspop_emulator
