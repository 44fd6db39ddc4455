// A client connection made of a socket and OpenSSL, which does what a test says and nothing of its own accord.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "test_certificates.hpp"

namespace emulator_test {

struct TlsSettings {
  std::string CaFile;
  Credentials const* Certificate = nullptr;  // Presented when asked for.
  int MaximumTls = 0x0303;                   // TLS 1.2, as bound connections have it.
  bool PostHandshakeAuthentication = false;
  std::string ServerName = "localhost";
  SSL_SESSION* Resume = nullptr;
};

struct CallRequest {
  std::string Method = "GET";
  std::string Target = "/";
  std::vector<std::pair<std::string, std::string>> Headers;
  std::string Body;
};

struct CallAnswer {
  unsigned Status = 0;  // 0 where the connection ended without an answer.
  std::vector<std::pair<std::string, std::string>> Headers;
  std::string Body;
  bool Complete = false;

  std::string Header(std::string const& name) const;
};

class TestConnection {
 public:
  explicit TestConnection(std::string const& authority);
  TestConnection(std::string const& authority, TlsSettings const& settings);
  ~TestConnection();

  // Whether the TLS handshake succeeded; under TLS 1.3 a refusal only shows with the first answer.
  bool IsOpen() const { return _open; }
  bool IsResumed() const;
  // TLS 1.2 sessions, of the latest handshake. Owned by the caller.
  SSL_SESSION* TakeSession() const;
  unsigned HandshakesSeen() const { return _handshakes; }

  CallAnswer Call(CallRequest const& request);
  // The same, with a pause in the middle of the body until the server has said something, and the server's
  // question answered there and then.
  CallAnswer CallWithPauseInBody(CallRequest const& request);

  void Send(std::string const& bytes);
  CallAnswer Receive(bool head = false);

 private:
  void Connect(std::string const& authority);
  void AnswerServer();
  std::string HeadOf(CallRequest const& request) const;
  static void OnInfo(SSL const* ssl, int where, int result);

  int _socket = -1;
  std::string _authority;
  SslContextPtr _context;
  SslPtr _ssl;
  bool _open = false;
  unsigned _handshakes = 0;
};

}  // namespace emulator_test
