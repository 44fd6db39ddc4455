#pragma once

/// @file
/// A TCP connection to a host that has several addresses.

#include <cstdint>
#include <string>
#include <vector>

#include "openssl/name_resolution.hpp"
#include "openssl/socket.hpp"
#include "openssl/waiter.hpp"

namespace mtlspop::openssl {

/// Connects to one of `addresses`. Attempts start 250 ms apart, or as soon as the one before has failed; the first that
/// succeeds wins (RFC 8305 section 5).
/// @param name for texts
/// @throw Error `connect_failed`, `cancelled`, `deadline_exceeded`
Descriptor Dial(std::vector<Address> const& addresses, std::string const& name, Waiter& waiter);

}  // namespace mtlspop::openssl
