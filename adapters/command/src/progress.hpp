#pragma once

/// @file
/// A progress bar.

#include <chrono>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

namespace mtlspop::command {

/// "[=====>      ]  42 %  1.2 MiB of 3.0 MiB  4.1 MiB/s  1 s left", or without the bar where the whole is not known.
std::string ProgressLine(
    std::uint64_t done, std::optional<std::uint64_t> whole, std::chrono::steady_clock::duration elapsed);

/// Draws such a line on a terminal, over the one before; ten times a second at most, and nothing at all for what is over in
/// half a second.
///
/// Thread safety: none. The stream must live as long.
class Progress final {
 public:
  using Clock = std::chrono::steady_clock;

  Progress(std::ostream& out, std::optional<std::uint64_t> whole, Clock::time_point begin = Clock::now())
      : out_(out), whole_(whole), begin_(begin), next_(begin + std::chrono::milliseconds{500}) {}
  /// Takes the line away.
  ~Progress();
  Progress(Progress const&) = delete;
  Progress& operator=(Progress const&) = delete;

  void Add(std::uint64_t bytes, Clock::time_point now = Clock::now());

 private:
  std::ostream& out_;
  std::optional<std::uint64_t> whole_;
  Clock::time_point begin_;
  Clock::time_point next_;
  std::uint64_t done_ = 0;
  bool isDrawn_ = false;
};

}  // namespace mtlspop::command
