// The open connections: bounds their number and ends them at shutdown.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace mtlspop_emulator {

// Thread safe.
class ConnectionRegistry {
 public:
  explicit ConnectionRegistry(std::size_t limit);

  // Waits until there is room. Returns the connection's number, or 0 where everything is being closed.
  std::uint32_t Enter(int socket, std::string const& listener);
  // Closes the socket; the connection's thread touches nothing of the emulator afterwards.
  void Leave(std::uint32_t number);

  // Ends the open connections of one listener, or of all where the name is empty. Returns how many.
  std::size_t EndConnections(std::string const& listener);
  std::map<std::string, std::size_t> OpenByListener() const;
  std::vector<std::uint32_t> OpenNumbers() const;

  // Lets nobody in any more, ends all, and waits for their threads.
  void Shutdown();

 private:
  struct Open {
    int Socket;
    std::string Listener;
  };

  std::size_t const _limit;
  mutable std::mutex _mutex;
  std::condition_variable _changed;
  std::unordered_map<std::uint32_t, Open> _open;
  std::uint32_t _last = 0;
  bool _closing = false;
};

}  // namespace mtlspop_emulator
