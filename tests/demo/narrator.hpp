#pragma once

/// @file
/// Tells what happens, step by step, with how long it took.

#include <chrono>
#include <string>
#include <string_view>

namespace demo {

class Narrator final {
 public:
  /// A headline.
  void Begin(std::string_view what);
  /// Something that took the time since the last line.
  void Step(std::string_view what);
  /// A line that the application wrote to its standard error: one of the library's log, or the application's own.
  void ApplicationLine(std::string_view line);

 private:
  using Clock = std::chrono::steady_clock;

  void Print(std::chrono::duration<double, std::milli> duration, std::string_view what) const;

  Clock::time_point last_ = Clock::now();
};

}  // namespace demo
