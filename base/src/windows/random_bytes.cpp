#include "mtlspop/base/random_bytes.hpp"

#include <windows.h>

#include <bcrypt.h>

namespace mtlspop {

bool FillRandom(gsl::span<std::uint8_t> bytes) noexcept {
  auto const status =
      BCryptGenRandom(nullptr, bytes.data(), static_cast<ULONG>(bytes.size()), BCRYPT_USE_SYSTEM_PREFERRED_RNG);
  return status >= 0;
}

}  // namespace mtlspop
