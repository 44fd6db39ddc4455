#pragma once

/// @file
/// The folder of a file store, seen from outside.

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "support/temporary_directory.hpp"

namespace mtlspop::test {

/// A folder for a file store, which is there as soon as the store is.
struct StoreFolder {
  /// Paths that end so.
  std::vector<std::string> Files(std::string_view end) const {
    std::vector<std::string> found;
    for (auto const& entry : std::filesystem::directory_iterator{Folder}) {
      std::string const path = entry.path();
      if (path.size() >= end.size() && path.compare(path.size() - end.size(), end.size(), end) == 0) {
        found.push_back(path);
      }
    }
    return found;
  }
  /// The file of the one binding that is stored.
  std::string File() const { return Files(".json").at(0); }

  TemporaryDirectory Directory;
  std::string Folder = Directory.PathOf("store");
};

/// Puts `text` in the place of what a file holds, and leaves its mode as it is.
inline void Overwrite(std::string const& path, std::string const& text) {
  std::ofstream{path, std::ios::binary | std::ios::trunc} << text;
}

}  // namespace mtlspop::test
