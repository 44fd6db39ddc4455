#pragma once

/// @file
/// The least that a program can do over TLS: a blocking socket, SSL_write, SSL_read.

#include <cstdint>
#include <memory>
#include <string>

#include <openssl/ssl.h>

#include "transport/peer.hpp"

namespace mtlspop::bench {

/// A context with the client certificate, as a program would make it once.
class BareContext final {
 public:
  explicit BareContext(Scenario const& scenario);
  SSL_CTX* Get() const noexcept { return context_.get(); }
  /// The newest session that a server gave.
  SSL_SESSION* Session() const noexcept { return session_.get(); }

 private:
  static int KeepSession(SSL* ssl, SSL_SESSION* session);
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> session_{nullptr, &SSL_SESSION_free};
};

/// One connection to localhost.
class BareConnection final {
 public:
  BareConnection(BareContext& context, std::uint16_t port, SSL_SESSION* session);
  ~BareConnection();
  BareConnection(BareConnection const&) = delete;
  BareConnection& operator=(BareConnection const&) = delete;

  /// Sends and reads one answer with a Content-Length; returns the length of its body.
  std::uint64_t Exchange(std::string const& request);
  void WriteAll(char const* bytes, std::size_t count);
  std::uint64_t ReadAnswer();
  bool IsResumed() const noexcept { return SSL_session_reused(ssl_.get()) == 1; }

 private:
  int socket_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
};

std::string BareRequest(std::string const& path);

}  // namespace mtlspop::bench
