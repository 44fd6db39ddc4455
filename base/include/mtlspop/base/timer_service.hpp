#pragma once

/// @file
/// What is to happen at a time, without a thread that waits for it.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>

#include "mtlspop/base/thread_pool.hpp"

namespace mtlspop {

/// Calls functions when their time has come, all on one thread, which is there while there is something to wait for and ten
/// seconds longer. When the process ends, nothing is called any more.
///
/// Thread safety: all members may be called from any thread.
class TimerService final {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  /// Names one that was added; one that is default-constructed names none.
  struct Timer {
    TimePoint When{};
    std::uint64_t Number = 0;
    friend bool operator<(Timer const& left, Timer const& right) noexcept {
      return left.When != right.When ? left.When < right.When : left.Number < right.Number;
    }
  };

  TimerService();
  TimerService(TimerService const&) = delete;
  TimerService& operator=(TimerService const&) = delete;

  /// This process's own.
  static TimerService& OfThisProcess();

  /// Calls `callback` once at `when`, or soon after. It must be quick and must not throw.
  /// @throw std::system_error, std::bad_alloc where there is no thread for it; it is not called then
  Timer Add(TimePoint when, std::function<void()> callback);
  /// Whether it was not called yet, and never will be. Does not wait for one that is being called. O(log n).
  bool Cancel(Timer const& timer);

  /// How many there are.
  std::size_t Count() const;

 private:
  void Run() noexcept;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Timer, std::function<void()>> timers_;
  std::uint64_t last_ = 0;
  bool isRunning_ = false;
  bool isStopped_ = false;
  /// The last one, so that its thread is joined before the rest goes.
  ThreadPool thread_;
};

}  // namespace mtlspop
