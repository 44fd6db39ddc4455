#pragma once

/// @file
/// Short files that hold a secret.

#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>

#include <gsl/span>

namespace mtlspop {

/// Reads the file into `room`, without a buffer of the library's own, which would keep a copy when it is freed. How much there
/// was, at most as much as there is room; 0 where the file cannot be read.
inline std::size_t ReadUnbuffered(std::string const& path, gsl::span<char> room) noexcept {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> const file{std::fopen(path.c_str(), "rb"), &std::fclose};
  if (!file) return 0;
  std::setvbuf(file.get(), nullptr, _IONBF, 0);
  auto const size = std::fread(room.data(), 1, room.size(), file.get());
  return std::ferror(file.get()) == 0 ? size : 0;
}

}  // namespace mtlspop
