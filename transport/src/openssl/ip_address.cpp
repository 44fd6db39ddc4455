#include "ip_address.hpp"

#include <arpa/inet.h>

namespace mtlspop {

bool ReadIpAddress(char const* text, gsl::span<std::uint8_t> bytes) noexcept {
  return inet_pton(bytes.size() == 4 ? AF_INET : AF_INET6, text, bytes.data()) == 1;
}

}  // namespace mtlspop
