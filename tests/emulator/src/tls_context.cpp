#include "tls_context.hpp"

#include <stdexcept>
#include <string_view>

#include "certificate_authority.hpp"
#include "client_certificate.hpp"
#include "directory.hpp"
#include "options.hpp"

namespace mtlspop_emulator {
namespace {

int StateIndex() {
  static int const index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int RejectionError(std::string const& reason) {
  if (reason == "expired") {
    return X509_V_ERR_CERT_HAS_EXPIRED;
  }
  return reason == "unknown-ca" ? X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY : X509_V_ERR_CERT_REVOKED;
}

std::string const& RejectionOf(X509_STORE_CTX* store) {
  auto* const ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  return StateOf(ssl).RejectHandshake;
}

// Resources take any certificate in the handshake: what counts is that it is the token's.
int AcceptAny(X509_STORE_CTX* store, void*) {
  auto const& rejection = RejectionOf(store);
  if (!rejection.empty()) {
    X509_STORE_CTX_set_error(store, RejectionError(rejection));
    return 0;
  }
  X509_STORE_CTX_set_error(store, X509_V_OK);
  return 1;
}

int AcceptAdmitted(X509_STORE_CTX* store, void* argument) {
  if (AcceptAny(store, nullptr) == 0) {
    return 0;
  }
  auto const& gate = *static_cast<ClientCertificateGate const*>(argument);
  if (gate.Admits(X509_STORE_CTX_get0_cert(store))) {
    return 1;
  }
  X509_STORE_CTX_set_error(store, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
  return 0;
}

// Runs once version and server name are known. login.* serves discovery, which needs no certificate; and under
// TLS 1.3 the real service does not ask yet.
int AskUnlessExempt(SSL* ssl, void* argument) {
  auto const& options = *static_cast<Options const*>(argument);
  char const* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  bool const discovery = name != nullptr && std::string_view(name).substr(0, 6) == "login.";
  bool const silent = SSL_version(ssl) == TLS1_3_VERSION && options.StsTls13 == TokenServiceTls13::NeverAsks;
  if (discovery || silent) {
    SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
  }
  return 1;
}

SslContextPtr MakeContext(Options const& options, CertificateAuthority const& authority, std::string_view name) {
  SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (!context || SSL_CTX_use_certificate(context.get(), authority.ServerCertificate()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), authority.ServerKey()) != 1) {
    throw std::runtime_error("cannot set up TLS");
  }
  SSL_CTX_set_min_proto_version(context.get(), options.MinimumTls);
  SSL_CTX_set_max_proto_version(context.get(), options.MaximumTls);
  // A renegotiation that resumed the session would bring no certificate.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  // Off, so that SSL_peek returns when a renegotiation is over instead of waiting for data.
  SSL_CTX_clear_mode(context.get(), SSL_MODE_AUTO_RETRY);
  // Without it OpenSSL refuses to resume sessions that hold a client certificate.
  SSL_CTX_set_session_id_context(
      context.get(), reinterpret_cast<unsigned char const*>(name.data()), static_cast<unsigned>(name.size()));
  return context;
}

}  // namespace

TlsConnectionState& StateOf(SSL* ssl) { return *static_cast<TlsConnectionState*>(SSL_get_ex_data(ssl, StateIndex())); }

void Attach(SSL* ssl, TlsConnectionState& state) { SSL_set_ex_data(ssl, StateIndex(), &state); }

ClientCertificateGate::ClientCertificateGate(CertificateAuthority const& authority, Directory const& directory)
    : _authority(authority), _directory(directory) {}

bool ClientCertificateGate::Admits(X509* certificate) const {
  return _authority.HasIssued(certificate) || _directory.KnowsAppCertificate(X5tS256Of(certificate));
}

SslContextPtr MakeTokenServiceContext(
    Options const& options, CertificateAuthority const& authority, ClientCertificateGate const& gate) {
  auto context = MakeContext(options, authority, "sts");
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(context.get(), AcceptAdmitted, const_cast<ClientCertificateGate*>(&gate));
  SSL_CTX_set_cert_cb(context.get(), AskUnlessExempt, const_cast<Options*>(&options));
  return context;
}

SslContextPtr MakeVaultContext(Options const& options, CertificateAuthority const& authority) {
  auto context = MakeContext(options, authority, "vault");
  bool const atOnce = options.ClientCertificate == CertificateRequestMode::Handshake;
  SSL_CTX_set_verify(context.get(), atOnce ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_cert_verify_callback(context.get(), AcceptAny, nullptr);
  return context;
}

SslContextPtr MakeAttestationContext(Options const& options, CertificateAuthority const& authority) {
  return MakeContext(options, authority, "attestation");
}

}  // namespace mtlspop_emulator
