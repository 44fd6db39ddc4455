#include "mtlspop/base/random_bytes.hpp"

#include <sys/random.h>

#include <cerrno>

namespace mtlspop {

bool FillRandom(gsl::span<std::uint8_t> bytes) noexcept {
  while (!bytes.empty()) {
    auto const count = ::getrandom(bytes.data(), bytes.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace mtlspop
