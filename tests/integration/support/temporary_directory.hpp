#pragma once

/// @file
/// A directory that goes with its object.

#include <string>
#include <string_view>

namespace mtlspop::test {

/// A new directory below `TMPDIR` (or /tmp), removed with all that is in it by the destructor. Others may pass through
/// it but not list it, since servers that start as root read their files as somebody else.
///
/// Thread safety: as a standard container.
class TemporaryDirectory final {
 public:
  /// @throw std::system_error
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(TemporaryDirectory const&) = delete;
  TemporaryDirectory& operator=(TemporaryDirectory const&) = delete;

  std::string const& Path() const noexcept { return path_; }
  /// Path of a file or directory of that name in here; makes nothing.
  std::string PathOf(std::string_view name) const;
  /// Writes a file readable by everybody and returns its path.
  /// @throw std::runtime_error
  std::string WriteFile(std::string_view name, std::string_view content) const;
  /// Makes a directory. Started as root, it belongs to the system's `owner` where there is such a user.
  std::string MakeDirectory(std::string_view name, char const* owner) const;

 private:
  std::string path_;
};

/// The content of a file, "" where it cannot be read.
std::string ReadFile(std::string const& path);

}  // namespace mtlspop::test
