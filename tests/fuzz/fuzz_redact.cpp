// Texts of others on their way into a log line.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "mtlspop/transport/redact.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text{reinterpret_cast<char const*>(data), size};
  for (char const character : mtlspop::Redact(text)) {
    auto const byte = static_cast<unsigned char>(character);
    if (byte < 0x20 || byte == 0x7f) std::abort();
  }
  return 0;
}
