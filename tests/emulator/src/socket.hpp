// What the emulator asks of sockets, for all systems: posix/socket.cpp and windows/socket.cpp do it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mtlspop_emulator {

// Sockets of connections are ints, as OpenSSL takes them: no more bits of a Windows handle count. Whoever has one closes it
// with CloseSocket.

// Where connections come in. Accept() belongs to one thread; End() may be called by another.
class ListeningSocket {
 public:
  // Binds at once; throws std::runtime_error naming the address where that fails. A port of 0 is chosen by the system.
  ListeningSocket(std::string const& address, std::uint16_t port);
  ListeningSocket(ListeningSocket const&) = delete;
  ListeningSocket& operator=(ListeningSocket const&) = delete;
  ~ListeningSocket();

  std::uint16_t Port() const { return _port; }
  // Waits for the next connection, which no other program inherits and which sends without delay. -1 after End().
  int Accept();
  // Wakes whoever waits in Accept(). More than once is allowed.
  void End();

 private:
  std::atomic<int> _socket{-1};
  std::uint16_t _port = 0;
};

// Bytes received, at least one where there will be any; 0 at the end and on errors.
std::size_t Receive(int socket, char* data, std::size_t size);
// Bytes sent; 0 on errors.
std::size_t Send(int socket, std::string_view data);

// How long a receiving call of this socket may take; 0 for ever.
void SetReceiveTimeout(int socket, std::chrono::seconds timeout);
// Around a call of OpenSSL that receives: whether it stopped because of that time.
void ForgetReceiveTimeout();
bool ReceiveTimedOut();

// Ends both directions, and wakes the thread that receives. The socket stays open.
void EndConnection(int socket);
// The peer will see a reset once the socket is closed.
void ResetWhenClosed(int socket);
void CloseSocket(int socket);

// Whether the text is an address of 127.0.0.0/8 or ::1.
bool IsLoopback(std::string const& address);

}  // namespace mtlspop_emulator
