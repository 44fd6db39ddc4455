#include "listener.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "connection_registry.hpp"

namespace mtlspop_emulator {
namespace {

// Small, since there may be thousands; sanitizers need room for their red zones.
constexpr std::size_t StackSize = 512 * 1024;

struct ConnectionTask {
  int Socket;
  std::uint32_t Number;
  Site const& Where;
  Common const& Shared;
};

void* RunConnection(void* argument) {
  std::unique_ptr<ConnectionTask> const task(static_cast<ConnectionTask*>(argument));
  try {
    ServeConnection(task->Socket, task->Number, task->Where, task->Shared);
  } catch (std::exception const&) {
    // Only memory can run out here; the connection ends, the others go on.
  }
  OPENSSL_thread_stop();
  task->Shared.Connections.Leave(task->Number);
  return nullptr;
}

bool StartThread(ConnectionTask* task) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, StackSize);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread{};
  bool const started = pthread_create(&thread, &attributes, RunConnection, task) == 0;
  pthread_attr_destroy(&attributes);
  return started;
}

struct Address {
  sockaddr_storage Storage{};
  socklen_t Size = 0;
};

Address MakeAddress(std::string const& text, std::uint16_t port) {
  Address address;
  if (text.find(':') != std::string::npos) {
    auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address.Storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr);
    address.Size = sizeof *v6;
  } else {
    auto* const v4 = reinterpret_cast<sockaddr_in*>(&address.Storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    inet_pton(AF_INET, text.c_str(), &v4->sin_addr);
    address.Size = sizeof *v4;
  }
  return address;
}

std::uint16_t PortOf(int socket) {
  Address address;
  address.Size = sizeof address.Storage;
  getsockname(socket, reinterpret_cast<sockaddr*>(&address.Storage), &address.Size);
  return ntohs(
      address.Storage.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address.Storage)->sin6_port
                                            : reinterpret_cast<sockaddr_in*>(&address.Storage)->sin_port);
}

}  // namespace

Listener::Listener(std::string const& address, std::uint16_t port, Site site, Common const& common)
    : _site(std::move(site)), _common(common) {
  auto const where = MakeAddress(address, port);
  _socket = socket(where.Storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int const on = 1;
  setsockopt(_socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(_socket, reinterpret_cast<sockaddr const*>(&where.Storage), where.Size) != 0 || listen(_socket, 4096) != 0) {
    std::string const reason = std::strerror(errno);
    close(_socket);
    throw std::runtime_error("cannot listen on " + address + " port " + std::to_string(port) + ": " + reason);
  }
  _port = PortOf(_socket);
}

Listener::~Listener() {
  Stop();
  close(_socket);
}

void Listener::Start() {
  _thread = std::thread([this] { AcceptAll(); });
}

void Listener::Stop() {
  shutdown(_socket, SHUT_RDWR);
  if (_thread.joinable()) {
    _thread.join();
  }
}

void Listener::AcceptAll() {
  for (;;) {
    int const connection = accept4(_socket, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection >= 0) {
      Spawn(connection);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      // Descriptors come free when connections end; accepting at full speed meanwhile would only burn CPU.
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    } else if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO) {
      return;
    }
  }
}

void Listener::Spawn(int connection) {
  int const on = 1;
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  auto const number = _common.Connections.Enter(connection, _site.Name);
  if (number == 0) {
    close(connection);
    return;
  }
  auto task = std::make_unique<ConnectionTask>(ConnectionTask{connection, number, _site, _common});
  if (StartThread(task.get())) {
    static_cast<void>(task.release());
  } else {
    _common.Connections.Leave(number);
  }
}

}  // namespace mtlspop_emulator
