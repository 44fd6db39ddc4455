#pragma once

/// @file
/// The folder of a file store: this user's alone, on a path that nobody else can turn elsewhere.

#include <string>

#include <sys/stat.h>

#include "mtlspop/base/posix/descriptor.hpp"

namespace mtlspop {

/// Throws `binding_store_unusable`: `what`, and why the system says so (`errno`).
[[noreturn]] void ThrowStoreFailure(std::string const& what);

/// Opens the folder `path`, made with mode 0700 where it does not exist, like those above it that are missing. What is made
/// has these modes whatever the umask is.
/// @throw Error `invalid_argument` where it is a link, no folder, not this user's alone, or where somebody other than this
/// user and root owns or may write a folder above it (one with the sticky bit, like /tmp, may be written by all);
/// `binding_store_unusable` where the system refuses
Descriptor OpenStoreFolder(std::string const& path);

/// Opens `name` in `folder` for writing, made with mode 0600 whatever the umask is; `flags` as for openat(2). -1 with
/// `errno` where that fails. Links are not followed.
int OpenOwnFile(int folder, std::string const& name, int flags) noexcept;

/// Whether it belongs to this user, and group and others may do nothing with it.
bool IsOursAlone(struct stat const& status) noexcept;

}  // namespace mtlspop
