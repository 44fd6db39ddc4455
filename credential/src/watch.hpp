#pragma once

/// @file
/// Something that is looked at again and again.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/base/thread_pool.hpp"
#include "mtlspop/transport/context.hpp"

namespace mtlspop {

/// Calls a function again and again, after waits of the real clock, on a thread of its own, which a child of fork() has only
/// from when it asks for it, and which has ended before the process does. Where no thread can be had, nothing is looked at.
///
/// Thread safety: all members may be called from any thread.
class Watch final {
 public:
  /// Must not throw. Is to give up when the context ends, as it does when the watch does.
  using Look = std::function<void(Context const&)>;
  /// How long to wait for the next look; asked before each, on the thread. Must not throw.
  using Interval = std::function<std::chrono::milliseconds()>;

  Watch(Interval interval, Look look);
  /// Waits until `look` has returned, where it is being called.
  ~Watch() = default;
  Watch(Watch const&) = delete;
  Watch& operator=(Watch const&) = delete;

  /// Sees to it that this process has the thread. Cheap where it has.
  void Keep() const;

 private:
  struct State {
    State(State* parents, Interval const& interval, Look const& look);
    State(State const&) = delete;
    State& operator=(State const&) = delete;

    void Stop() noexcept;
    void Run(Interval const& interval, Look const& look);

    std::mutex Mutex;
    std::condition_variable Changed;
    bool Stopping = false;
    Context const Life = Context{}.WithCancellation();
    /// Of one thread. Last: it is stopped, and waited for, before the rest goes, and before the process ends.
    ThreadPool Threads;
  };

  PerProcess<State, Interval, Look> state_;
};

}  // namespace mtlspop
