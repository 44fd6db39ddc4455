#pragma once

/// @file
/// A clock that a test moves.

#include <chrono>
#include <mutex>
#include <vector>

#include "mtlspop/transport/clock.hpp"

namespace mtlspop::test {

/// Stands still until `Advance()`. Sleeping moves it, and returns at once.
class ManualClock final : public Clock {
 public:
  SystemTime Now() const override {
    std::lock_guard<std::mutex> const lock{mutex_};
    return system_;
  }

  SteadyTime SteadyNow() const override {
    std::lock_guard<std::mutex> const lock{mutex_};
    return steady_;
  }

  void Sleep(std::chrono::nanoseconds duration, Context const& context) override {
    context.ThrowIfEnded("sleep");
    std::lock_guard<std::mutex> const lock{mutex_};
    slept_.push_back(duration);
    Move(duration);
  }

  void Advance(std::chrono::nanoseconds duration) {
    std::lock_guard<std::mutex> const lock{mutex_};
    Move(duration);
  }

  /// All that was slept, in order.
  std::vector<std::chrono::nanoseconds> Slept() const {
    std::lock_guard<std::mutex> const lock{mutex_};
    return slept_;
  }

 private:
  void Move(std::chrono::nanoseconds duration) {
    steady_ += std::chrono::duration_cast<SteadyTime::duration>(duration);
    system_ += std::chrono::duration_cast<SystemTime::duration>(duration);
  }

  mutable std::mutex mutex_;
  SystemTime system_ = std::chrono::system_clock::now();
  SteadyTime steady_ = std::chrono::steady_clock::now();
  std::vector<std::chrono::nanoseconds> slept_;
};

}  // namespace mtlspop::test
