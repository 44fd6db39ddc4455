#include "gateway/unix_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::gateway {
namespace {

[[noreturn]] void Fail(std::string const& path, int reason) {
  throw Error{
      {errors::SystemFailure,
       "The gateway could not make the socket " + path + ": " + std::generic_category().message(reason),
       "Name a path in a folder that this user may write to and others may not"}};
}

sockaddr_un AddressOf(std::string const& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // A name in the abstract namespace would have no owner and no mode.
  if (path.empty() || path.front() == '\0' || path.size() >= sizeof address.sun_path) {
    throw Error{
        {errors::InvalidArgument, "The path of the gateway's socket is empty or longer than 107 bytes",
         "Name a shorter path, for example /run/mtlspop/gateway.sock"}};
  }
  path.copy(address.sun_path, path.size());
  return address;
}

Descriptor NewSocket(std::string const& path) {
  Descriptor socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket.IsOpen()) Fail(path, errno);
  return socket;
}

// What an earlier run has left, which nobody listens on.
void RemoveLeftover(std::string const& path, sockaddr_un const& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return;
  bool const isOurs = S_ISSOCK(status.st_mode) && (status.st_uid == ::geteuid());
  auto const probe = NewSocket(path);
  bool const isDead =
      ::connect(probe.Get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0 && errno == ECONNREFUSED;
  if (!isOurs || !isDead) {
    throw Error{
        {errors::InvalidArgument,
         "There is something at " + path + " already: another gateway, or a file that is no socket of this user's",
         "End the other gateway, or name another path"}};
  }
  ::unlink(path.c_str());
}

}  // namespace

UnixSocketFile::UnixSocketFile(std::string path, std::optional<gid_t> group) : path_(std::move(path)) {
  auto const address = AddressOf(path_);
  RemoveLeftover(path_, address);
  socket_ = NewSocket(path_);
  // The mode of a socket before it is bound is that of the file (unix(7) on Linux), so that it is never wider.
  if (::fchmod(socket_.Get(), S_IRUSR | S_IWUSR) != 0 ||
      ::bind(socket_.Get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0) {
    Fail(path_, errno);
  }
  struct stat status {};
  bool isGood = ::lstat(path_.c_str(), &status) == 0;
  inode_ = status.st_ino;
  if (isGood && group) {
    isGood = ::lchown(path_.c_str(), static_cast<uid_t>(-1), *group) == 0 && ::chmod(path_.c_str(), 0660) == 0;
  }
  if (!isGood) {
    auto const reason = errno;
    ::unlink(path_.c_str());
    Fail(path_, reason);
  }
}

UnixSocketFile::~UnixSocketFile() {
  struct stat status {};
  // Not one that somebody else has put there since.
  if (::lstat(path_.c_str(), &status) == 0 && status.st_ino == inode_) ::unlink(path_.c_str());
}

}  // namespace mtlspop::gateway
