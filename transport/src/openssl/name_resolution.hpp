#pragma once

/// @file
/// Host names to addresses, within a deadline.

#include <cstdint>
#include <string>
#include <vector>

#include <sys/socket.h>

#include "openssl/waiter.hpp"

namespace mtlspop::openssl {

struct Address {
  sockaddr_storage Storage{};
  socklen_t Length = 0;

  sockaddr const* Get() const noexcept { return reinterpret_cast<sockaddr const*>(&Storage); }
};

/// The addresses of `host` in the order in which to try them: the families take turns, beginning with the one that the
/// system prefers (RFC 8305 section 4). Literal addresses are not looked up.
/// @throw Error `name_resolution_failed`, `cancelled`, `deadline_exceeded`
std::vector<Address> Resolve(std::string const& host, std::uint16_t port, Waiter& waiter);

/// Interleaves the families, keeping the order within each.
std::vector<Address> TakeTurns(std::vector<Address> addresses);

}  // namespace mtlspop::openssl
