#include "store_folder.hpp"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mtlspop/credential/errors.hpp"

namespace mtlspop {
namespace {

[[noreturn]] void Refuse(std::string const& path, std::string const& why, std::string action) {
  throw Error{{errors::InvalidArgument, "The folder " + path + " of the binding store " + why, std::move(action)}};
}

/// A slash at the end makes the system follow a link that stands before it.
std::string WithoutSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::string ParentOf(std::string const& path) {
  auto const slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : WithoutSlashes(path.substr(0, slash));
}

/// Makes the folder `path` with mode 0700 whatever the umask is, and gives nothing that was put in its place meanwhile another
/// mode. False with `errno` where that fails.
bool MakeOne(std::string const& path) {
  if (::mkdir(path.c_str(), S_IRWXU) != 0) return false;
  struct stat status {};
  bool const isRight =
      ::lstat(path.c_str(), &status) == 0 && (status.st_mode & (S_IRWXU | S_IRWXG | S_IRWXO)) == S_IRWXU;
  if (!isRight && ::fchmodat(AT_FDCWD, path.c_str(), S_IRWXU, AT_SYMLINK_NOFOLLOW) != 0) {
    ThrowStoreFailure("giving the folder " + path + " its mode");
  }
  return true;
}

/// Makes what is missing of `path`, from the top. Whoever else makes one of them at the same moment does no harm: each is
/// looked at afterwards.
void MakeMissing(std::string const& path, int depth = 0) {
  // More than a path can have of parts.
  constexpr int deepest = 256;
  if (MakeOne(path) || errno == EEXIST) return;
  auto const parent = ParentOf(path);
  if (errno != ENOENT || parent == path || depth == deepest) ThrowStoreFailure("making the folder " + path);
  MakeMissing(parent, depth + 1);
  if (!MakeOne(path) && errno != EEXIST) ThrowStoreFailure("making the folder " + path);
}

/// Whether nobody but this user and root can put something else in the place of what is in there.
bool KeepsWhatIsInside(struct stat const& status) noexcept {
  bool const hasGoodOwner = status.st_uid == 0 || status.st_uid == ::geteuid();
  bool const isSticky = (status.st_mode & S_ISVTX) != 0;
  return hasGoodOwner && ((status.st_mode & (S_IWGRP | S_IWOTH)) == 0 || isSticky);
}

/// From the folder upwards, as the system sees them: no link is between a folder and its "..".
void CheckParents(int folder, std::string const& path) {
  struct stat below {};
  if (::fstat(folder, &below) != 0) ThrowStoreFailure("looking at the folder " + path);
  std::string up = "..";
  for (;;) {
    struct stat status {};
    if (::fstatat(folder, up.c_str(), &status, 0) != 0) ThrowStoreFailure("looking above the folder " + path);
    if (status.st_ino == below.st_ino && status.st_dev == below.st_dev) return;
    if (!KeepsWhatIsInside(status)) {
      Refuse(
          path, "lies in one that others can write (" + up + " from there), who could put another in its place",
          "Give a folder all of whose parents belong to this user or root and can be written by nobody else, or take "
          "the "
          "permission away: chmod go-w");
    }
    below = status;
    up += "/..";
  }
}

}  // namespace

void ThrowStoreFailure(std::string const& what) {
  auto const reason = std::generic_category().message(errno);
  throw Error{
      {errors::BindingStoreUnusable, "The binding store failed at " + what + ": " + reason,
       "Give a folder that this process may make and write in, on a disk that is not full"}};
}

bool IsOursAlone(struct stat const& status) noexcept {
  return status.st_uid == ::geteuid() && (status.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

Descriptor OpenStoreFolder(std::string const& path) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    Refuse("\"\"", "has no name, or one with a zero byte", "Set Folder to a path of its own");
  }
  auto const plain = WithoutSlashes(path);
  MakeMissing(plain);
  Descriptor folder{::open(plain.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  // Where it is a link the system says one or the other.
  if (!folder.IsOpen() && errno != ENOTDIR && errno != ELOOP) ThrowStoreFailure("opening the folder " + plain);
  struct stat status {};
  if (folder.IsOpen() && ::fstat(folder.Get(), &status) != 0) ThrowStoreFailure("looking at the folder " + plain);
  if (!folder.IsOpen() || !IsOursAlone(status)) {
    Refuse(
        plain, "is not this user's alone, or is no folder",
        "Give a folder that belongs to the user of this process, with mode 0700, and no link to one");
  }
  CheckParents(folder.Get(), plain);
  return folder;
}

int OpenOwnFile(int folder, std::string const& name, int flags) noexcept {
  int const file = ::openat(folder, name.c_str(), flags | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  // What the umask took away would be missing when it is opened again.
  if (file >= 0) ::fchmod(file, S_IRUSR | S_IWUSR);
  return file;
}

}  // namespace mtlspop
