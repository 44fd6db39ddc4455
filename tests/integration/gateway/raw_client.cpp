#include "gateway/raw_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace mtlspop::test {

RawClient::RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ConnectTo(reinterpret_cast<sockaddr const*>(&address), sizeof address);
}

RawClient::RawClient(std::string const& path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ConnectTo(reinterpret_cast<sockaddr const*>(&address), sizeof address);
}

void RawClient::ConnectTo(sockaddr const* address, socklen_t length) {
  timeval const patience{10, 0};
  ::setsockopt(socket_.Get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(socket_.Get(), address, length) != 0) throw std::runtime_error{"nobody listens"};
}

void RawClient::Send(std::string_view bytes) {
  if (tls_) {
    static_cast<void>(SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size())));
    return;
  }
  while (!bytes.empty()) {
    auto const count = ::send(socket_.Get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

int RawClient::Read(char* into, int size) {
  if (tls_) return SSL_read(tls_.get(), into, size);
  return static_cast<int>(::recv(socket_.Get(), into, static_cast<std::size_t>(size), 0));
}

std::string RawClient::ReadHead() {
  std::string text;
  char letter = 0;
  while (text.find("\r\n\r\n") == std::string::npos && Read(&letter, 1) == 1) text.push_back(letter);
  return text;
}

std::string RawClient::ReadAll() {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    auto const count = Read(buffer.data(), static_cast<int>(buffer.size()));
    if (count <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

bool RawClient::IsClosed() {
  char letter = 0;
  auto const count = Read(&letter, 1);
  if (count > 0) return false;
  return tls_ ? (SSL_get_error(tls_.get(), count) == SSL_ERROR_ZERO_RETURN || errno != EAGAIN)
              : errno != EAGAIN || count == 0;
}

bool RawClient::StartTls(std::string const& host, std::string const& caFile) {
  // OpenSSL writes without MSG_NOSIGNAL.
  std::signal(SIGPIPE, SIG_IGN);
  context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
  if (SSL_CTX_load_verify_file(context_.get(), caFile.c_str()) != 1) return false;
  tls_.reset(SSL_new(context_.get()));
  SSL_set_fd(tls_.get(), socket_.Get());
  SSL_set_tlsext_host_name(tls_.get(), host.c_str());
  SSL_set1_host(tls_.get(), host.c_str());
  return SSL_connect(tls_.get()) == 1;
}

bool RawClient::WasEndSaid() const noexcept {
  return tls_ && (SSL_get_shutdown(tls_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

void RawClient::EndSending() { ::shutdown(socket_.Get(), SHUT_WR); }

std::uint16_t PortOf(std::string const& url) {
  return static_cast<std::uint16_t>(std::atoi(url.substr(url.rfind(':') + 1).c_str()));
}

}  // namespace mtlspop::test
