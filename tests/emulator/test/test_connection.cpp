#include "test_connection.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace emulator_test {
namespace {

namespace http = boost::beast::http;

std::string Text(boost::beast::string_view view) { return std::string(view.data(), view.size()); }

}  // namespace

std::string CallAnswer::Header(std::string const& name) const {
  for (auto const& [known, value] : Headers) {
    if (boost::beast::iequals(known, name)) {
      return value;
    }
  }
  return {};
}

TestConnection::TestConnection(std::string const& authority) : _authority(authority) {
  Connect(authority);
  _open = true;
}

TestConnection::TestConnection(std::string const& authority, TlsSettings const& settings) : _authority(authority) {
  Connect(authority);
  _context.reset(SSL_CTX_new(TLS_client_method()));
  auto* const context = _context.get();
  SSL_CTX_load_verify_locations(context, settings.CaFile.c_str(), nullptr);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_max_proto_version(context, settings.MaximumTls);
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
  if (settings.Certificate != nullptr) {
    SSL_CTX_use_certificate(context, settings.Certificate->Certificate.get());
    SSL_CTX_use_PrivateKey(context, settings.Certificate->Key.get());
  }
  SSL_CTX_set_post_handshake_auth(context, settings.PostHandshakeAuthentication ? 1 : 0);
  _ssl.reset(SSL_new(context));
  SSL_set_app_data(_ssl.get(), this);
  SSL_set_info_callback(_ssl.get(), OnInfo);
  SSL_set_fd(_ssl.get(), _socket);
  SSL_set_tlsext_host_name(_ssl.get(), settings.ServerName.c_str());
  SSL_set1_host(_ssl.get(), settings.ServerName.c_str());
  if (settings.Resume != nullptr) {
    SSL_set_session(_ssl.get(), settings.Resume);
  }
  _open = SSL_connect(_ssl.get()) == 1;
}

TestConnection::~TestConnection() {
  if (_open && _ssl) {
    SSL_shutdown(_ssl.get());
  }
  close(_socket);
}

void TestConnection::Connect(std::string const& authority) {
  auto const colon = authority.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(authority.substr(colon + 1))));
  inet_pton(AF_INET, authority.substr(0, colon).c_str(), &address.sin_addr);
  _socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int const on = 1;
  setsockopt(_socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(_socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    close(_socket);
    throw std::runtime_error("cannot connect to " + authority);
  }
}

void TestConnection::OnInfo(SSL const* ssl, int where, int) {
  if ((where & SSL_CB_HANDSHAKE_DONE) != 0) {
    ++static_cast<TestConnection*>(SSL_get_app_data(ssl))->_handshakes;
  }
}

bool TestConnection::IsResumed() const { return SSL_session_reused(_ssl.get()) == 1; }

SSL_SESSION* TestConnection::TakeSession() const { return SSL_get1_session(_ssl.get()); }

void TestConnection::Send(std::string const& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    auto const left = static_cast<int>(bytes.size() - sent);
    auto const count = _ssl ? static_cast<ssize_t>(SSL_write(_ssl.get(), bytes.data() + sent, left))
                            : send(_socket, bytes.data() + sent, static_cast<std::size_t>(left), MSG_NOSIGNAL);
    if (count <= 0) {
      if (_ssl && SSL_get_error(_ssl.get(), static_cast<int>(count)) == SSL_ERROR_WANT_READ) {
        continue;
      }
      return;
    }
    sent += static_cast<std::size_t>(count);
  }
}

CallAnswer TestConnection::Receive(bool head) {
  http::response_parser<http::string_body> parser;
  parser.body_limit(1U << 30);
  parser.skip(head);
  parser.eager(true);
  std::string pending;
  while (!parser.is_done()) {
    char buffer[65536];
    auto const count = _ssl ? static_cast<ssize_t>(SSL_read(_ssl.get(), buffer, sizeof buffer))
                            : recv(_socket, buffer, sizeof buffer, 0);
    if (count <= 0) {
      if (_ssl && SSL_get_error(_ssl.get(), static_cast<int>(count)) == SSL_ERROR_WANT_READ) {
        continue;
      }
      break;
    }
    pending.append(buffer, static_cast<std::size_t>(count));
    boost::system::error_code error;
    while (!pending.empty() && !parser.is_done() && !error) {
      pending.erase(0, parser.put(boost::asio::const_buffer(pending.data(), pending.size()), error));
    }
  }
  CallAnswer answer;
  if (parser.is_header_done()) {
    auto const& message = parser.get();
    answer.Status = message.result_int();
    answer.Body = message.body();
    for (auto const& field : message) {
      answer.Headers.emplace_back(Text(field.name_string()), Text(field.value()));
    }
  }
  answer.Complete = parser.is_done();
  return answer;
}

std::string TestConnection::HeadOf(CallRequest const& request) const {
  std::string head = request.Method + " " + request.Target + " HTTP/1.1\r\n";
  bool host = false;
  for (auto const& [name, value] : request.Headers) {
    head += name + ": " + value + "\r\n";
    host = host || name == "Host";
  }
  if (!host) {
    head += "Host: " + _authority + "\r\n";
  }
  if (!request.Body.empty() || request.Method == "POST" || request.Method == "PUT") {
    head += "Content-Length: " + std::to_string(request.Body.size()) + "\r\n";
  }
  return head + "\r\n";
}

CallAnswer TestConnection::Call(CallRequest const& request) {
  Send(HeadOf(request) + request.Body);
  return Receive(request.Method == "HEAD");
}

void TestConnection::AnswerServer() {
  pollfd watched{_socket, POLLIN, 0};
  poll(&watched, 1, 10'000);
  char byte = 0;
  SSL_peek(_ssl.get(), &byte, 1);
}

CallAnswer TestConnection::CallWithPauseInBody(CallRequest const& request) {
  auto const half = request.Body.size() / 2;
  Send(HeadOf(request) + request.Body.substr(0, half));
  AnswerServer();
  Send(request.Body.substr(half));
  return Receive();
}

}  // namespace emulator_test
