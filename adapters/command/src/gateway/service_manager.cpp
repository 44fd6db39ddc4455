#include "gateway/service_manager.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <ctime>
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
      socket.Get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
      reinterpret_cast<sockaddr const*>(&address), length));
}

void NotifyReloading() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  std::array<char, 64> text{};
  // By the time the manager tells this reload from one that it asks for later.
  auto const length = std::snprintf(
      text.data(), text.size(), "RELOADING=1\nMONOTONIC_USEC=%lld",
      static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000);
  NotifyServiceManager({text.data(), static_cast<std::size_t>(length)});
}

std::optional<std::chrono::microseconds> WatchdogInterval() noexcept {
  auto const period = NumberIn("WATCHDOG_USEC");
  auto const process = NumberIn("WATCHDOG_PID");
  if (period <= 0 || (process != 0 && process != ::getpid())) return std::nullopt;
  return std::chrono::microseconds{std::max(period / 2, 1L)};
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
