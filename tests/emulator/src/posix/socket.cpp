#include "socket.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "socket_address.hpp"

namespace mtlspop_emulator {
namespace {

std::uint16_t PortOf(int socket) {
  SocketAddress address;
  address.Size = sizeof address.Storage;
  getsockname(socket, reinterpret_cast<sockaddr*>(&address.Storage), &address.Size);
  return PortOf(address);
}

}  // namespace

ListeningSocket::ListeningSocket(std::string const& address, std::uint16_t port) {
  auto const where = MakeSocketAddress(address, port);
  int const listener = socket(where.Storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int const on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, reinterpret_cast<sockaddr const*>(&where.Storage), where.Size) != 0 ||
      listen(listener, 4096) != 0) {
    std::string const reason = std::strerror(errno);
    close(listener);
    throw std::runtime_error("cannot listen on " + address + " port " + std::to_string(port) + ": " + reason);
  }
  _port = PortOf(listener);
  _socket = listener;
}

ListeningSocket::~ListeningSocket() { close(_socket); }

int ListeningSocket::Accept() {
  for (;;) {
    int const connection = accept4(_socket, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection >= 0) {
      int const on = 1;
      setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return connection;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      // Descriptors come free when connections end; accepting at full speed meanwhile would only burn CPU.
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    } else if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO) {
      return -1;
    }
  }
}

void ListeningSocket::End() { shutdown(_socket, SHUT_RDWR); }

std::size_t Receive(int socket, char* data, std::size_t size) {
  ssize_t count = 0;
  do {
    count = recv(socket, data, size, 0);
  } while (count < 0 && errno == EINTR);
  return count > 0 ? static_cast<std::size_t>(count) : 0;
}

std::size_t Send(int socket, std::string_view data) {
  ssize_t count = 0;
  do {
    count = send(socket, data.data(), data.size(), MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  return count > 0 ? static_cast<std::size_t>(count) : 0;
}

void SetReceiveTimeout(int socket, std::chrono::seconds timeout) {
  timeval value{};
  value.tv_sec = timeout.count();
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &value, sizeof value);
}

void ForgetReceiveTimeout() { errno = 0; }

bool ReceiveTimedOut() { return errno == EAGAIN || errno == EWOULDBLOCK; }

void EndConnection(int socket) { shutdown(socket, SHUT_RDWR); }

void ResetWhenClosed(int socket) {
  linger const none{1, 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

void CloseSocket(int socket) { close(socket); }

bool IsLoopback(std::string const& address) { return IsLoopbackText(address); }

}  // namespace mtlspop_emulator
