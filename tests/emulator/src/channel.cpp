#include "channel.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <climits>

#include "socket.hpp"

namespace mtlspop_emulator {
namespace {

void CountFinished(int isWrite, int, int type, void const* data, std::size_t size, SSL* ssl, void*) {
  bool const handshake = type == SSL3_RT_HANDSHAKE && size > 0;
  if (isWrite == 0 && handshake && *static_cast<unsigned char const*>(data) == SSL3_MT_FINISHED) {
    ++StateOf(ssl).FinishedReceived;
  }
}

int Bounded(std::size_t size) { return static_cast<int>(std::min<std::size_t>(size, INT_MAX)); }

}  // namespace

Channel::Channel(int socket, SSL_CTX* context) : _socket(socket) {
  if (context != nullptr) {
    _ssl.reset(SSL_new(context));
    SSL_set_fd(_ssl.get(), socket);
    Attach(_ssl.get(), _state);
  }
}

bool Channel::Fail() {
  _usable = false;
  auto const code = ERR_peek_error();
  _failure = code == 0                       ? "connection ended"
             : ERR_reason_error_string(code) ? ERR_reason_error_string(code)
                                             : "TLS error";
  ERR_clear_error();
  return false;
}

bool Channel::Accept(std::string const& rejection) {
  if (!_ssl) {
    return true;
  }
  if (rejection == "reset") {
    // With the hello read: else the client may see the reset while it still connects.
    char hello = 0;
    Receive(_socket, &hello, 1);
  }
  RejectCertificate(rejection);
  if (!_usable) {
    return false;
  }
  if (!rejection.empty()) {
    // A resumed session would not be verified again; a session context of its own prevents resumption.
    constexpr std::string_view other = "reject";
    SSL_set_session_id_context(
        _ssl.get(), reinterpret_cast<unsigned char const*>(other.data()), static_cast<unsigned>(other.size()));
  }
  ERR_clear_error();
  for (;;) {
    int const result = SSL_accept(_ssl.get());
    if (result == 1) {
      break;
    }
    int const error = SSL_get_error(_ssl.get(), result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
      return Fail();
    }
  }
  _resumed = SSL_session_reused(_ssl.get()) == 1;
  ReadCertificate();
  return true;
}

void Channel::RejectCertificate(std::string const& rejection) {
  if (rejection == "reset") {
    _failure = "reset";
    Reset();
    return;
  }
  _state.RejectHandshake = rejection;
}

std::size_t Channel::Read(char* data, std::size_t size) {
  if (!_usable) {
    return 0;
  }
  if (!_ssl) {
    return Receive(_socket, data, size);
  }
  ERR_clear_error();
  for (;;) {
    int const count = SSL_read(_ssl.get(), data, Bounded(size));
    if (count > 0) {
      return static_cast<std::size_t>(count);
    }
    if (SSL_get_error(_ssl.get(), count) != SSL_ERROR_WANT_READ) {
      Fail();
      return 0;
    }
  }
}

bool Channel::Write(std::string_view data) {
  while (_usable && !data.empty()) {
    std::size_t count = 0;
    if (_ssl) {
      ERR_clear_error();
      int const written = SSL_write(_ssl.get(), data.data(), Bounded(data.size()));
      if (written <= 0 && SSL_get_error(_ssl.get(), written) == SSL_ERROR_WANT_READ) {
        continue;
      }
      count = written > 0 ? static_cast<std::size_t>(written) : 0;
    } else {
      count = Send(_socket, data);
    }
    if (count == 0) {
      return Fail();
    }
    data.remove_prefix(count);
  }
  return _usable;
}

bool Channel::BeginAsking(CertificateRequestMode mode) {
  if (!_ssl || !_usable || mode == CertificateRequestMode::Handshake) {
    return false;
  }
  bool const tls13 = SSL_version(_ssl.get()) == TLS1_3_VERSION;
  if (tls13 && mode != CertificateRequestMode::PostHandshake) {
    return false;
  }
  ERR_clear_error();
  SSL_set_verify(_ssl.get(), SSL_VERIFY_PEER, nullptr);
  SSL_set_msg_callback(_ssl.get(), CountFinished);
  _state.FinishedReceived = 0;
  int const asked = tls13 ? SSL_verify_client_post_handshake(_ssl.get()) : SSL_renegotiate(_ssl.get());
  if (asked != 1) {
    ERR_clear_error();
    return false;
  }
  // Sends the HelloRequest or CertificateRequest; the answer comes with what is read next.
  if (SSL_do_handshake(_ssl.get()) != 1) {
    Fail();
    return false;
  }
  _asking = true;
  return true;
}

bool Channel::FinishAsking(std::chrono::seconds patience) {
  if (!_asking) {
    return _usable;
  }
  SetReceiveTimeout(_socket, patience);
  bool const answered = AwaitAnswer();
  SetReceiveTimeout(_socket, std::chrono::seconds(0));
  _asking = false;
  SSL_set_msg_callback(_ssl.get(), nullptr);
  if (answered) {
    ReadCertificate();
  }
  return answered;
}

bool Channel::AwaitAnswer() {
  while (_usable && (_state.FinishedReceived == 0 || SSL_in_init(_ssl.get()) == 1)) {
    char byte = 0;
    ForgetReceiveTimeout();
    ERR_clear_error();
    int const result = SSL_peek(_ssl.get(), &byte, 1);
    if (result > 0) {
      // Data where only an answer to our question may come: a pipelined request, or a client that ignores us.
      _failure = "data instead of an answer to the certificate request";
      _usable = false;
      return false;
    }
    bool const timedOut = ReceiveTimedOut();
    if (SSL_get_error(_ssl.get(), result) != SSL_ERROR_WANT_READ || (timedOut && _state.FinishedReceived == 0)) {
      return Fail();
    }
  }
  return _usable;
}

void Channel::ReadCertificate() {
  X509* const certificate = SSL_get0_peer_certificate(_ssl.get());
  _certificate =
      certificate != nullptr ? std::make_shared<ClientCertificate const>(DescribeCertificate(certificate)) : nullptr;
}

char const* Channel::TlsVersion() const { return _ssl ? SSL_get_version(_ssl.get()) : nullptr; }

void Channel::End() {
  if (_reset) {
    return;
  }
  if (_ssl && _usable) {
    SSL_shutdown(_ssl.get());
  } else if (_ssl) {
    // Else OpenSSL forgets the session of a client that left without ceremony, and it could not be resumed.
    SSL_set_shutdown(_ssl.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
  ERR_clear_error();
  EndConnection(_socket);
}

void Channel::Reset() {
  ResetWhenClosed(_socket);
  _usable = false;
  _reset = true;
}

}  // namespace mtlspop_emulator
