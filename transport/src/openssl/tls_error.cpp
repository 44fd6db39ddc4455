#include "openssl/tls_error.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include <openssl/err.h>
#include <openssl/evperr.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>

#include "mtlspop/base/openssl/error_queue.hpp"
#include "mtlspop/transport/redact.hpp"

namespace mtlspop::openssl {
namespace {

using Queue = std::vector<QueuedError>;

std::string ReasonText(Queue const& queue) { return Redact(ReasonOf(queue)); }

bool HasSslReason(Queue const& queue, std::initializer_list<int> reasons) {
  for (auto const& entry : queue) {
    if (ERR_GET_LIB(entry.Code) != ERR_LIB_SSL) {
      continue;
    }
    for (int const reason : reasons) {
      if (ERR_GET_REASON(entry.Code) == reason) {
        return true;
      }
    }
  }
  return false;
}

/// Whether it was our signature over the handshake that could not be made (TLS 1.2 and 1.3 CertificateVerify).
bool IsSigningFailure(Queue const& queue) {
  for (auto const& entry : queue) {
    if (entry.Function == "tls_construct_cert_verify") {
      return true;
    }
  }
  return false;
}

/// Alerts by which a server says that it does not like the client's certificate (RFC 8446 section 6.2).
bool IsCertificateAlert(Queue const& queue) {
  return HasSslReason(
      queue, {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
              SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
              SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, SSL_R_TLSV1_ALERT_UNKNOWN_CA, SSL_R_TLSV1_ALERT_ACCESS_DENIED,
              SSL_R_TLSV1_ALERT_DECRYPT_ERROR, SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED});
}

/// Where memory is short OpenSSL does not always say so, but that it came to no end by itself.
bool IsOwnFailure(Queue const& queue) {
  return HasSslReason(queue, {SSL_R_COPY_PARAMETERS_FAILED}) ||
         std::any_of(queue.begin(), queue.end(), [](auto const& entry) {
           int const reason = ERR_GET_REASON(entry.Code);
           return reason == ERR_R_INTERNAL_ERROR || reason == ERR_R_INIT_FAIL ||
                  (ERR_GET_LIB(entry.Code) == ERR_LIB_EVP && reason == EVP_R_NOT_ABLE_TO_COPY_CTX);
         });
}

/// A key that cannot be read has no strength, and OpenSSL then calls the certificate's too weak.
bool IsUnreadableKey(Queue const& queue) {
  return std::any_of(queue.begin(), queue.end(), [](auto const& entry) {
    return ERR_GET_LIB(entry.Code) == ERR_LIB_EVP && ERR_GET_REASON(entry.Code) == EVP_R_DECODE_ERROR;
  });
}

ErrorDetails OwnFailure(std::string const& host, Queue const& queue) {
  ErrorDetails details{
      errors::SystemFailure,
      "OpenSSL came to no end by itself in TLS with " + host + ", most likely for want of memory: " + ReasonText(queue),
      "Give the process more memory, or look for what takes it; the other side most likely has no part in it"};
  details.Transient = true;
  return details;
}

}  // namespace

ErrorDetails DescribeTlsFailure(SSL const* ssl, TlsFailureContext const& context) {
  auto const& host = context.Host;
  auto const queue = TakeErrorQueue();
  auto const verified = SSL_get_verify_result(ssl);
  if (SaysOutOfMemory(queue) || verified == X509_V_ERR_OUT_OF_MEM || IsUnreadableKey(queue)) {
    return OwnFailure(host, queue);
  }
  if (IsSigningFailure(queue)) {
    return {
        errors::PrivateKeyUnusable,
        "The private key of the binding certificate could not sign the handshake with " + host + ": " +
            ReasonText(queue),
        "The key may have gone with a reboot or with its device. A managed identity gets another certificate by "
        "itself; an "
        "application's own has to be replaced by whoever issued it"};
  }
  if (verified != X509_V_OK) {
    return {
        errors::ServerCertificateRejected,
        "The certificate of " + host +
            (context.RefusedServer != nullptr ? ", issued by " + Redact(context.RefusedServer->Issuer) + "," : "") +
            " was refused: " + X509_verify_cert_error_string(verified),
        "Check the host name, the server's certificate and chain, this machine's clock, and which authorities are "
        "trusted (TransportOptions::Tls.Trust, and the environment variable MTLSPOP_CA_FILE where it is set)"};
  }
  bool const handshakeAlert = HasSslReason(queue, {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE});
  if (IsCertificateAlert(queue) || (handshakeAlert && context.WasAsked)) {
    if (context.IsBound) {
      return {
          errors::BindingCertificateRejected,
          host + " refused the binding certificate during the TLS handshake: " + ReasonText(queue),
          "Check that the certificate has not expired and that the server trusts its issuer. A managed identity gets "
          "another "
          "by itself; an application's own has to be replaced by whoever issued it"};
    }
    return {
        errors::TlsHandshakeFailed,
        host + " asks for a client certificate and the request carries none: " + ReasonText(queue),
        "Send the request with a bound token and its binding certificate"};
  }
  bool const version = HasSslReason(queue, {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, SSL_R_UNSUPPORTED_PROTOCOL});
  if (version && context.IsLimitedToTls12) {
    return {
        errors::TlsHandshakeFailed,
        "TLS with " + host + " failed: it does not speak TLS 1.2, the highest version for requests with a binding",
        "Where the host asks for the client certificate under TLS 1.3, allow it with "
        "OriginTlsOptions::MaximumBoundVersion"};
  }
  if (IsOwnFailure(queue) || SaysOwnFailure(queue)) {
    return OwnFailure(host, queue);
  }
  return {
      errors::TlsHandshakeFailed, "TLS with " + host + " failed: " + ReasonText(queue),
      "Check that the port speaks TLS 1.2 or 1.3, with an ECDHE key exchange and AES-GCM or ChaCha20-Poly1305 (RFC "
      "9325), "
      "and that nothing on the way interferes"};
}

}  // namespace mtlspop::openssl
