#include "no_proxy.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>

#include <gsl/span>

#include "ip_address.hpp"
#include "mtlspop/transport/headers.hpp"

namespace mtlspop {
namespace {

bool HasPrefix(gsl::span<unsigned char const> address, gsl::span<unsigned char const> network, std::size_t bits) {
  if (address.size() != network.size() || bits > address.size() * 8) {
    return false;
  }
  for (std::size_t bit = 0; bit < bits; ++bit) {
    unsigned const mask = 0x80U >> bit % 8;
    if ((address[bit / 8] & mask) != (network[bit / 8] & mask)) {
      return false;
    }
  }
  return true;
}

bool IsInNetwork(gsl::span<std::uint8_t const> address, std::string_view entry) {
  auto const slash = entry.find('/');
  auto const network = ParseIpAddress(entry.substr(0, slash));
  if (!network) {
    return false;
  }
  std::size_t bits = address.size() * 8;
  if (slash != std::string_view::npos) {
    auto const digits = entry.substr(slash + 1);
    bool const number =
        !digits.empty() && digits.size() <= 3 &&
        std::all_of(digits.begin(), digits.end(), [](char digit) { return digit >= '0' && digit <= '9'; });
    if (!number) {
      return false;
    }
    std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  }
  return HasPrefix(address, *network, bits);
}

bool IsNameBelow(std::string_view host, std::string_view entry) {
  while (!entry.empty() && entry.front() == '.') {
    entry.remove_prefix(1);
  }
  while (!entry.empty() && entry.back() == '.') {
    entry.remove_suffix(1);
  }
  while (!host.empty() && host.back() == '.') {
    host.remove_suffix(1);
  }
  if (entry.empty() || host.size() < entry.size() ||
      !EqualsIgnoreCase(host.substr(host.size() - entry.size()), entry)) {
    return false;
  }
  return host.size() == entry.size() || host[host.size() - entry.size() - 1] == '.';
}

}  // namespace

std::vector<std::string> SplitNoProxy(std::string_view text) {
  static constexpr std::string_view separators = ", \t";
  std::vector<std::string> list;
  for (std::size_t begin = text.find_first_not_of(separators); begin != std::string_view::npos;) {
    auto const end = std::min(text.find_first_of(separators, begin), text.size());
    list.emplace_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(separators, end);
  }
  return list;
}

bool IsDirect(std::vector<std::string> const& list, std::string_view host) {
  auto const address = ParseIpAddress(host);
  return std::any_of(list.begin(), list.end(), [&](std::string const& entry) {
    return entry == "*" || (address ? IsInNetwork(*address, entry) : IsNameBelow(host, entry));
  });
}

}  // namespace mtlspop
