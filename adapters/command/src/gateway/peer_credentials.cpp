#include "gateway/peer_credentials.hpp"

#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::gateway {
namespace {

// As many as Linux gives one process (NGROUPS_MAX).
constexpr std::size_t MostGroups = 65536;

bool IsInGroup(int socket, gid_t group) {
  std::vector<gid_t> groups(64);
  auto length = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length) != 0) {
    groups.resize(MostGroups);
    length = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length) != 0) return false;
  }
  groups.resize(length / sizeof(gid_t));
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

}  // namespace

bool IsPeerAllowed(int socket, std::optional<gid_t> group) noexcept {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || length != sizeof peer) return false;
  if (peer.uid == ::geteuid() || peer.uid == 0) return true;
  if (!group) return false;
  try {
    return peer.gid == *group || IsInGroup(socket, *group);
  } catch (std::exception const&) {
    return false;
  }
}

gid_t GroupNamed(std::string const& name) {
  std::array<char, 16384> room{};
  group entry{};
  group* found = nullptr;
  if (::getgrnam_r(name.c_str(), &entry, room.data(), room.size(), &found) == 0 && found != nullptr)
    return found->gr_gid;
  throw Error{
      {errors::InvalidArgument, "This machine knows no group \"" + name + "\"",
       "Make it, or name the group whose members may use the gateway's socket"}};
}

}  // namespace mtlspop::gateway
