#pragma once

/// @file
/// Lines from many threads into one file.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace mtlspop::gateway {

/// Writes whole lines, one after the other, on a thread of its own: whoever has one to write waits for nobody, though the reader
/// of a pipe may have stopped. What comes while too many wait is left out, and a line says how many that were.
///
/// Thread safety: all members may be called from any thread.
class LineWriter final {
 public:
  /// @param descriptor stays its owner's, and has to live as long as this
  /// @param mostWaiting how many lines may wait
  explicit LineWriter(int descriptor, std::size_t mostWaiting = 8192);
  /// Writes what waits, for a second at most.
  ~LineWriter();
  LineWriter(LineWriter const&) = delete;
  LineWriter& operator=(LineWriter const&) = delete;

  /// Never waits for the file.
  /// @param line without its end
  void Write(std::string_view line);

 private:
  void Run();
  bool WriteNow(std::string_view text) const;
  bool MayGoOn() const;

  int const descriptor_;
  std::size_t const mostWaiting_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> waiting_;
  std::size_t leftOut_ = 0;
  bool ends_ = false;
  std::chrono::steady_clock::time_point until_;
  // Last: it uses all of the above.
  std::thread thread_;
};

}  // namespace mtlspop::gateway
