#include "mtlspop/base/uuid.hpp"

#include <array>
#include <cstdint>
#include <string_view>

#include "mtlspop/base/random_numbers.hpp"

namespace mtlspop {

std::string NewUuid() {
  std::array<std::uint8_t, 16> bytes{};
  MakeRandom(bytes);
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3F) | 0x80);
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text(36, '-');
  auto* at = text.data();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) ++at;
    *at++ = digits[bytes[i] >> 4];
    *at++ = digits[bytes[i] & 15];
  }
  return text;
}

}  // namespace mtlspop
