#include "gateway/service_manager.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <string>

#include "mtlspop/base/environment_variable.hpp"
#include "mtlspop/base/posix/descriptor.hpp"

namespace mtlspop::gateway {
namespace {

// The first that is passed (SD_LISTEN_FDS_START).
constexpr int FirstPassed = 3;
constexpr int MostPassed = 16;

long NumberIn(char const* variable) noexcept {
  auto const* const text = ReadEnvironmentVariable(variable);
  if (text == nullptr) return 0;
  long number = 0;
  std::from_chars(text, text + std::string_view{text}.size(), number);
  return number;
}

}  // namespace

void NotifyServiceManager(std::string_view state) noexcept {
  auto const* const name = ReadEnvironmentVariable("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name == nullptr) return;
  std::string_view const path{name};
  if (path.size() < 2 || path.size() >= sizeof address.sun_path || (path.front() != '/' && path.front() != '@')) return;
  path.copy(address.sun_path, path.size());
  // The abstract namespace, in which managers in containers listen.
  if (path.front() == '@') address.sun_path[0] = '\0';
  Descriptor const socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  auto const length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  static_cast<void>(::sendto(
      socket.Get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr const*>(&address), length));
}

std::vector<int> TakeInheritedSockets() {
  std::vector<int> sockets;
  auto const count = NumberIn("LISTEN_FDS");
  if (NumberIn("LISTEN_PID") == ::getpid() && count > 0 && count <= MostPassed) {
    for (int socket = FirstPassed; socket < FirstPassed + count; ++socket) {
      ::fcntl(socket, F_SETFD, FD_CLOEXEC);
      sockets.push_back(socket);
    }
  }
  for (auto const* const variable : {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}) ::unsetenv(variable);
  return sockets;
}

}  // namespace mtlspop::gateway
