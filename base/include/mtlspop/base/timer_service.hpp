#pragma once

/// @file
/// What is to happen at a time, without a thread that waits for it.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "mtlspop/base/thread_pool.hpp"

namespace mtlspop {

/// Calls functions when their time has come, all on one thread, which is there while there is something to wait for and ten
/// seconds longer. When the process ends, nothing is called any more. Only to add one allocates.
///
/// Thread safety: all members may be called from any thread.
class TimerService final {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  /// Returns when it is to be called again, `TimePoint::max()` for never. It must be quick and must not throw.
  using Callback = std::function<TimePoint()>;
  class Entry;
  /// Names one that was added; null names none.
  using Timer = std::shared_ptr<Entry>;

  TimerService();
  TimerService(TimerService const&) = delete;
  TimerService& operator=(TimerService const&) = delete;

  /// This process's own.
  static TimerService& OfThisProcess();

  /// Calls `callback` at `when`, or soon after.
  /// @throw std::system_error, std::bad_alloc where there is no thread for it; it is not called then
  Timer Add(TimePoint when, Callback callback);
  /// Whether it was waiting for its time. It will not be called any more in any case, unless it is being called now, for
  /// which this does not wait. O(log n).
  bool Cancel(Timer const& timer) noexcept;

  /// How many there are.
  std::size_t Count() const;

 private:
  void Run() noexcept;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  struct IsEarlier {
    bool operator()(Timer const& left, Timer const& right) const noexcept;
  };
  std::set<Timer, IsEarlier> timers_;
  std::uint64_t last_ = 0;
  bool isRunning_ = false;
  bool isStopped_ = false;
  /// The last one, so that its thread is joined before the rest goes.
  ThreadPool thread_;
};

}  // namespace mtlspop
