#include "ip_address.hpp"

#include <string>
#include <utility>

namespace mtlspop {

std::optional<std::vector<std::uint8_t>> ParseIpAddress(std::string_view text) {
  bool const hasBrackets = text.size() > 2 && text.front() == '[' && text.back() == ']';
  std::string const address{hasBrackets ? text.substr(1, text.size() - 2) : text};
  bool const isVersion6 = hasBrackets || address.find(':') != std::string::npos;
  std::vector<std::uint8_t> bytes(isVersion6 ? 16 : 4);
  // Whoever reads it would stop at a zero byte, and pass over what follows.
  bool const isRead = address.find('\0') == std::string::npos && ReadIpAddress(address.c_str(), bytes);
  return isRead ? std::make_optional(std::move(bytes)) : std::nullopt;
}

}  // namespace mtlspop
