#include "mtlspop/base/uuid.hpp"

#include <array>
#include <cstdint>
#include <random>
#include <string_view>

namespace mtlspop {

std::string NewUuid() {
  std::array<std::uint8_t, 16> bytes{};
  // Straight from the system: a generator with a state would be the same in each child of fork().
  std::random_device device;
  for (std::size_t i = 0; i < bytes.size(); i += 4) {
    auto const number = device();
    for (std::size_t part = 0; part < 4; ++part) bytes[i + part] = static_cast<std::uint8_t>(number >> (8 * part));
  }
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3F) | 0x80);
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 15];
  }
  return text;
}

}  // namespace mtlspop
