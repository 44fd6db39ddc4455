#include "support/silent_listener.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace mtlspop::test {

namespace {

struct Address {
  sockaddr_storage Storage{};
  socklen_t Length = 0;
  sockaddr* Get() noexcept { return reinterpret_cast<sockaddr*>(&Storage); }
};

Address Literal(std::string const& text, std::uint16_t port) {
  Address address;
  if (text.find(':') != std::string::npos) {
    auto& six = reinterpret_cast<sockaddr_in6&>(address.Storage);
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    ::inet_pton(AF_INET6, text.c_str(), &six.sin6_addr);
    address.Length = sizeof six;
  } else {
    auto& four = reinterpret_cast<sockaddr_in&>(address.Storage);
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    ::inet_pton(AF_INET, text.c_str(), &four.sin_addr);
    address.Length = sizeof four;
  }
  return address;
}

void Check(bool good, char const* what) {
  if (!good) throw std::system_error{errno, std::generic_category(), what};
}

}  // namespace

SilentListener::SilentListener(std::string const& address, std::uint16_t port) {
  auto where = Literal(address, port);
  int const listener = ::socket(where.Storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Check(listener >= 0, "socket");
  sockets_.push_back(listener);
  Check(::bind(listener, where.Get(), where.Length) == 0, "bind");
  Check(::listen(listener, 0) == 0, "listen");
  Check(::getsockname(listener, where.Get(), &where.Length) == 0, "getsockname");
  port_ = ntohs(
      where.Storage.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(where.Storage).sin6_port
                                          : reinterpret_cast<sockaddr_in&>(where.Storage).sin_port);
  // Fills the queue. Connecting to loopback takes no time unless it takes for ever.
  for (;;) {
    int const filler = ::socket(where.Storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    Check(filler >= 0, "socket");
    sockets_.push_back(filler);
    if (::connect(filler, where.Get(), where.Length) == 0) continue;
    Check(errno == EINPROGRESS, "connect");
    pollfd connected{filler, POLLOUT, 0};
    if (::poll(&connected, 1, 50) == 0) return;
  }
}

SilentListener::~SilentListener() {
  for (int const socket : sockets_) ::close(socket);
}

bool HasIpv6Loopback() {
  auto where = Literal("::1", 0);
  int const socket = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return false;
  bool const has = ::bind(socket, where.Get(), where.Length) == 0;
  ::close(socket);
  return has;
}

}  // namespace mtlspop::test
