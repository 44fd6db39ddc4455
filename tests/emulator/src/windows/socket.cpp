#include "socket.hpp"

#include <winsock2.h>
#include <ws2tcpip.h>

#include <algorithm>
#include <climits>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "socket_address.hpp"

namespace mtlspop_emulator {
namespace {

// Before the first socket; the system cleans up when the process ends.
void StartSockets() {
  static int const failure = [] {
    WSADATA data;
    return WSAStartup(MAKEWORD(2, 2), &data);
  }();
  if (failure != 0) {
    throw std::runtime_error("cannot use sockets: " + std::system_category().message(failure));
  }
}

SOCKET HandleOf(int socket) { return static_cast<SOCKET>(socket); }

std::uint16_t PortOf(SOCKET socket) {
  SocketAddress address;
  address.Size = sizeof address.Storage;
  getsockname(socket, reinterpret_cast<sockaddr*>(&address.Storage), &address.Size);
  return PortOf(address);
}

void Set(SOCKET socket, int level, int option, DWORD value) {
  setsockopt(socket, level, option, reinterpret_cast<char const*>(&value), sizeof value);
}

}  // namespace

ListeningSocket::ListeningSocket(std::string const& address, std::uint16_t port) {
  StartSockets();
  auto const where = MakeSocketAddress(address, port);
  SOCKET const listener =
      WSASocketW(where.Storage.ss_family, SOCK_STREAM, 0, nullptr, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
  // Else another program could listen on the same port, and SO_REUSEADDR would even invite it.
  Set(listener, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
  if (bind(listener, reinterpret_cast<sockaddr const*>(&where.Storage), where.Size) != 0 ||
      listen(listener, SOMAXCONN) != 0) {
    auto const reason = std::system_category().message(WSAGetLastError());
    closesocket(listener);
    throw std::runtime_error("cannot listen on " + address + " port " + std::to_string(port) + ": " + reason);
  }
  _port = PortOf(listener);
  _socket = static_cast<int>(listener);
}

ListeningSocket::~ListeningSocket() { End(); }

int ListeningSocket::Accept() {
  for (;;) {
    int const listener = _socket;
    SOCKET const connection = listener < 0 ? INVALID_SOCKET : accept(HandleOf(listener), nullptr, nullptr);
    if (connection != INVALID_SOCKET) {
      // What accept() returns would be inherited.
      SetHandleInformation(reinterpret_cast<HANDLE>(connection), HANDLE_FLAG_INHERIT, 0);
      Set(connection, IPPROTO_TCP, TCP_NODELAY, 1);
      return static_cast<int>(connection);
    }
    if (listener < 0 || _socket < 0) {
      return -1;
    }
    auto const reason = WSAGetLastError();
    if (reason == WSAEMFILE || reason == WSAENOBUFS) {
      // Sockets come free when connections end; accepting at full speed meanwhile would only burn CPU.
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    } else if (reason != WSAECONNRESET && reason != WSAEINTR) {
      return -1;
    }
  }
}

// Accepting ends by nothing else: there is no shutdown of a listening socket.
void ListeningSocket::End() {
  int const listener = _socket.exchange(-1);
  if (listener >= 0) {
    closesocket(HandleOf(listener));
  }
}

std::size_t Receive(int socket, char* data, std::size_t size) {
  int const count = recv(HandleOf(socket), data, static_cast<int>(std::min<std::size_t>(size, INT_MAX)), 0);
  return count > 0 ? static_cast<std::size_t>(count) : 0;
}

std::size_t Send(int socket, std::string_view data) {
  int const size = static_cast<int>(std::min<std::size_t>(data.size(), INT_MAX));
  int const count = send(HandleOf(socket), data.data(), size, 0);
  return count > 0 ? static_cast<std::size_t>(count) : 0;
}

void SetReceiveTimeout(int socket, std::chrono::seconds timeout) {
  Set(HandleOf(socket), SOL_SOCKET, SO_RCVTIMEO, static_cast<DWORD>(std::chrono::milliseconds(timeout).count()));
}

void ForgetReceiveTimeout() { WSASetLastError(0); }

bool ReceiveTimedOut() { return WSAGetLastError() == WSAETIMEDOUT; }

void EndConnection(int socket) {
  shutdown(HandleOf(socket), SD_BOTH);
  // Whoever waits in recv() already goes on waiting otherwise.
  CancelIoEx(reinterpret_cast<HANDLE>(HandleOf(socket)), nullptr);
}

void ResetWhenClosed(int socket) {
  linger const none{1, 0};
  setsockopt(HandleOf(socket), SOL_SOCKET, SO_LINGER, reinterpret_cast<char const*>(&none), sizeof none);
}

void CloseSocket(int socket) { closesocket(HandleOf(socket)); }

bool IsLoopback(std::string const& address) {
  StartSockets();
  return IsLoopbackText(address);
}

}  // namespace mtlspop_emulator
