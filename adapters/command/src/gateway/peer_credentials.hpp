#pragma once

/// @file
/// Who is at the other end of a unix socket.

#include <sys/types.h>

#include <optional>
#include <string>

namespace mtlspop::gateway {

/// Whether the process at the other end of `socket` runs as this process's user or as root, or is in `group` where there is
/// one (SO_PEERCRED and SO_PEERGROUPS, unix(7)). False where that cannot be told.
bool IsPeerAllowed(int socket, std::optional<gid_t> group) noexcept;

/// The number of a group.
/// @throw Error `invalid_argument` for one that this machine does not know
gid_t GroupNamed(std::string const& name);

}  // namespace mtlspop::gateway
