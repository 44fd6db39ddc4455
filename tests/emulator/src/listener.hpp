// Accepts connections on a loopback port, a thread for each.
#pragma once

#include <cstdint>
#include <string>
#include <thread>

#include "connection.hpp"
#include "socket.hpp"

namespace mtlspop_emulator {

class Listener {
 public:
  // Binds at once; throws std::runtime_error naming the address where that fails.
  Listener(std::string const& address, std::uint16_t port, Site site, Common const& common);
  Listener(Listener const&) = delete;
  Listener& operator=(Listener const&) = delete;
  ~Listener();

  std::uint16_t Port() const { return _socket.Port(); }
  void Start();
  void Stop();

 private:
  void AcceptAll();
  void Spawn(int socket);

  Site const _site;
  Common const& _common;
  ListeningSocket _socket;
  std::thread _thread;
};

}  // namespace mtlspop_emulator
