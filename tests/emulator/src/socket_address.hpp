// Loopback addresses as the functions of sockets take them, the same on all systems but for the headers: whoever includes
// this has included the system's own for sockets before.
#pragma once

#include <cstdint>
#include <string>

namespace mtlspop_emulator {

struct SocketAddress {
  sockaddr_storage Storage{};
  socklen_t Size = 0;
};

inline SocketAddress MakeSocketAddress(std::string const& text, std::uint16_t port) {
  SocketAddress address;
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

inline std::uint16_t PortOf(SocketAddress const& address) {
  return ntohs(
      address.Storage.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6 const*>(&address.Storage)->sin6_port
                                            : reinterpret_cast<sockaddr_in const*>(&address.Storage)->sin_port);
}

// 127.0.0.0/8 or ::1.
inline bool IsLoopbackText(std::string const& text) {
  in_addr v4{};
  return text == "::1" || (inet_pton(AF_INET, text.c_str(), &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127);
}

}  // namespace mtlspop_emulator
