#include "connection_registry.hpp"

#include <chrono>

#include "socket.hpp"

namespace mtlspop_emulator {

ConnectionRegistry::ConnectionRegistry(std::size_t limit) : _limit(limit) {}

std::uint32_t ConnectionRegistry::Enter(int socket, std::string const& listener) {
  std::unique_lock lock(_mutex);
  _changed.wait(lock, [&] { return _closing || _open.size() < _limit; });
  if (_closing) {
    return 0;
  }
  _open.emplace(++_last, Open{socket, listener});
  return _last;
}

void ConnectionRegistry::Leave(std::uint32_t number) {
  std::lock_guard const lock(_mutex);
  auto const found = _open.find(number);
  CloseSocket(found->second.Socket);
  _open.erase(found);
  _changed.notify_all();
}

std::size_t ConnectionRegistry::EndConnections(std::string const& listener) {
  std::lock_guard const lock(_mutex);
  std::size_t count = 0;
  for (auto const& [number, open] : _open) {
    if (listener.empty() || open.Listener == listener) {
      EndConnection(open.Socket);
      ++count;
    }
  }
  return count;
}

std::map<std::string, std::size_t> ConnectionRegistry::OpenByListener() const {
  std::lock_guard const lock(_mutex);
  std::map<std::string, std::size_t> counts;
  for (auto const& [number, open] : _open) {
    ++counts[open.Listener];
  }
  return counts;
}

std::vector<std::uint32_t> ConnectionRegistry::OpenNumbers() const {
  std::lock_guard const lock(_mutex);
  std::vector<std::uint32_t> numbers;
  for (auto const& [number, open] : _open) {
    numbers.push_back(number);
  }
  return numbers;
}

void ConnectionRegistry::Shutdown() {
  {
    std::lock_guard const lock(_mutex);
    _closing = true;
    _changed.notify_all();
  }
  // More than once: on Windows, who is just about to receive may not notice.
  constexpr std::chrono::milliseconds Again(100);
  for (bool empty = false; !empty;) {
    EndConnections({});
    std::unique_lock lock(_mutex);
    empty = _changed.wait_for(lock, Again, [&] { return _open.empty(); });
  }
}

}  // namespace mtlspop_emulator
