// One accepted connection: plain or TLS, blocking, with the certificate asked for whenever a service wants it.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "client_certificate.hpp"
#include "openssl_types.hpp"
#include "options.hpp"
#include "tls_context.hpp"

namespace mtlspop_emulator {

// Used by one thread. Does not own the socket.
class Channel {
 public:
  // `context` is null for a plain connection.
  Channel(int socket, SSL_CTX* context);

  // The TLS handshake; nothing to do on a plain connection. `rejection` is the armed fault's, or empty.
  bool Accept(std::string const& rejection);
  // Why the last step failed, in OpenSSL's words.
  std::string const& Failure() const { return _failure; }

  // Whether the certificate that comes next is refused: `rejection` is the armed fault's, or empty.
  void RejectCertificate(std::string const& rejection);

  // Bytes read; 0 at the end and on errors.
  std::size_t Read(char* data, std::size_t size);
  bool Write(std::string_view data);

  // Asks for the client's certificate, and returns whether it could: a client under TLS 1.3 that did not offer
  // post-handshake authentication, or a mode that does not ask under 1.3, leaves nothing to ask with.
  // Data of the client that is still on its way is read as usual meanwhile.
  bool BeginAsking(CertificateRequestMode mode);
  // With nothing left to read: waits for the answer to BeginAsking. False where the connection ended over it.
  bool FinishAsking(std::chrono::seconds patience);

  std::shared_ptr<ClientCertificate const> const& Certificate() const { return _certificate; }
  // Null on a plain connection.
  char const* TlsVersion() const;
  bool IsResumed() const { return _resumed; }

  void End();
  // The peer will see a reset once the socket is closed.
  void Reset();

 private:
  bool AwaitAnswer();
  void ReadCertificate();
  bool Fail();

  int const _socket;
  TlsConnectionState _state;
  SslPtr _ssl;
  bool _asking = false;
  bool _resumed = false;
  bool _usable = true;
  bool _reset = false;
  std::shared_ptr<ClientCertificate const> _certificate;
  std::string _failure;
};

}  // namespace mtlspop_emulator
