#pragma once

/// @file
/// Who is at the other end of a connection over loopback.

#include <netinet/in.h>
#include <sys/types.h>

#include <iosfwd>
#include <optional>

namespace mtlspop::gateway {

/// Whose socket it is, as the kernel says.
struct SocketOwner {
  uid_t User = 0;
  /// 0 for a socket that no process has open any more, whose user cannot be told then.
  unsigned long long Inode = 0;
};

/// Whether the process at the other end of `socket`, connected over IPv4 from this machine, runs as this process's user or as root.
/// False where that cannot be told.
bool IsLoopbackPeerAllowed(int socket) noexcept;

/// The owner of this machine's TCP socket between these two places; none where there is no such socket, or nobody can say.
/// Asks the kernel for this one socket (sock_diag(7)).
std::optional<SocketOwner> AskForOwner(sockaddr_in const& local, sockaddr_in const& remote) noexcept;

/// The same from a table in the form of /proc/net/tcp or tcp6 (proc(5)), for kernels that are not to be asked.
std::optional<SocketOwner> FindOwner(std::istream& table, sockaddr_in const& local, sockaddr_in const& remote);

}  // namespace mtlspop::gateway
