#include "listener.hpp"

#include <openssl/crypto.h>

#include <exception>
#include <memory>

#include "connection_registry.hpp"
#include "system.hpp"

namespace mtlspop_emulator {
namespace {

struct ConnectionTask {
  int Socket;
  std::uint32_t Number;
  Site const& Where;
  Common const& Shared;
};

void RunConnection(void* argument) {
  std::unique_ptr<ConnectionTask> const task(static_cast<ConnectionTask*>(argument));
  try {
    ServeConnection(task->Socket, task->Number, task->Where, task->Shared);
  } catch (std::exception const&) {
    // Only memory can run out here; the connection ends, the others go on.
  }
  OPENSSL_thread_stop();
  task->Shared.Connections.Leave(task->Number);
}

}  // namespace

Listener::Listener(std::string const& address, std::uint16_t port, Site site, Common const& common)
    : _site(std::move(site)), _common(common), _socket(address, port) {}

Listener::~Listener() { Stop(); }

void Listener::Start() {
  _thread = std::thread([this] { AcceptAll(); });
}

void Listener::Stop() {
  _socket.End();
  if (_thread.joinable()) {
    _thread.join();
  }
}

void Listener::AcceptAll() {
  for (int connection = 0; (connection = _socket.Accept()) >= 0;) {
    Spawn(connection);
  }
}

void Listener::Spawn(int connection) {
  auto const number = _common.Connections.Enter(connection, _site.Name);
  if (number == 0) {
    CloseSocket(connection);
    return;
  }
  auto task = std::make_unique<ConnectionTask>(ConnectionTask{connection, number, _site, _common});
  if (StartThread(RunConnection, task.get())) {
    static_cast<void>(task.release());
  } else {
    _common.Connections.Leave(number);
  }
}

}  // namespace mtlspop_emulator
