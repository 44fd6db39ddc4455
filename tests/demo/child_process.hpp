#pragma once

/// @file
/// A program that the demo starts, talks to, and ends.

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace demo {

struct Command {
  /// Path of the program, then its arguments.
  std::vector<std::string> Arguments;
  /// Set in addition to this process's environment.
  std::vector<std::pair<std::string, std::string>> Environment;
};

enum class Stream { Output, Error };

/// A running program with pipes to its standard streams. The destructor closes its standard input, gives it two seconds
/// to end, and then kills it by its process id.
///
/// Thread safety: one thread at a time.
class ChildProcess final {
 public:
  using Clock = std::chrono::steady_clock;

  /// @throw std::system_error where it cannot be started.
  explicit ChildProcess(Command const& command);
  ~ChildProcess();
  ChildProcess(ChildProcess const&) = delete;
  ChildProcess& operator=(ChildProcess const&) = delete;

  /// Hands each line the program writes to `onLine`, as it comes and without its end, until `onLine` returns false or
  /// the program has closed both streams.
  /// @throw std::runtime_error where `deadline` passes first.
  void ReadLines(std::function<bool(Stream, std::string_view)> const& onLine, Clock::time_point deadline);
  /// Waits for the program to end. Returns its exit code, or 128 and the signal that ended it.
  int Wait();

 private:
  struct Pipe {
    int Descriptor = -1;
    std::string Pending;
  };

  bool ReadSome(Pipe& pipe, Stream stream, std::function<bool(Stream, std::string_view)> const& onLine);
  bool EndsWithin(std::chrono::milliseconds time);

  std::string name_;
  pid_t pid_ = -1;
  int input_ = -1;
  Pipe output_;
  Pipe error_;
  std::optional<int> exitCode_;
};

}  // namespace demo
