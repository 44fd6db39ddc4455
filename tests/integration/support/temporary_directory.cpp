#include "support/temporary_directory.hpp"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

namespace mtlspop::test {

namespace {

[[noreturn]] void ThrowSystemError(char const* what) { throw std::system_error{errno, std::generic_category(), what}; }

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  char const* base = std::getenv("TMPDIR");
  path_ = std::string{base != nullptr && *base != '\0' ? base : "/tmp"} + "/mtlspop-test-XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) ThrowSystemError("mkdtemp");
  if (::chmod(path_.c_str(), 0711) != 0) ThrowSystemError("chmod");
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryDirectory::PathOf(std::string_view name) const { return path_ + "/" + std::string{name}; }

std::string TemporaryDirectory::WriteFile(std::string_view name, std::string_view content) const {
  auto path = PathOf(name);
  std::ofstream file{path, std::ios::binary};
  file << content;
  file.close();
  if (!file) throw std::runtime_error{"cannot write " + path};
  return path;
}

std::string TemporaryDirectory::MakeDirectory(std::string_view name, char const* owner) const {
  auto path = PathOf(name);
  if (::mkdir(path.c_str(), 0755) != 0) ThrowSystemError("mkdir");
  if (::geteuid() == 0) {
    if (auto const* user = ::getpwnam(owner); user != nullptr) {
      if (::chown(path.c_str(), user->pw_uid, user->pw_gid) != 0) ThrowSystemError("chown");
    }
  }
  return path;
}

std::string ReadFile(std::string const& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace mtlspop::test
