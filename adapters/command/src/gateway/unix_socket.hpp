#pragma once

/// @file
/// The file of a unix socket.

#include <sys/types.h>

#include <optional>
#include <string>

#include "mtlspop/base/posix/descriptor.hpp"

namespace mtlspop::gateway {

/// A bound unix socket whose file goes with this object.
///
/// Thread safety: immutable.
class UnixSocketFile final {
 public:
  /// Mode 0600 from the first moment on; with `group` that one's, and 0660.
  /// @throw Error `system_failure`, `invalid_argument` for a path that is too long or where something else is
  UnixSocketFile(std::string path, std::optional<gid_t> group);
  ~UnixSocketFile();
  UnixSocketFile(UnixSocketFile const&) = delete;
  UnixSocketFile& operator=(UnixSocketFile const&) = delete;

  /// The bound socket, once.
  int Release() noexcept { return socket_.Release(); }

 private:
  std::string path_;
  Descriptor socket_;
  ino_t inode_ = 0;
};

}  // namespace mtlspop::gateway
