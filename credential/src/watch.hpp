#pragma once

/// @file
/// Something that is looked at again and again.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "mtlspop/base/per_process.hpp"

namespace mtlspop {

/// Calls a function at an interval, of the real clock, on a thread of its own, which a child of fork() has only from when it
/// asks for it. Where no thread can be had, nothing is looked at.
///
/// Thread safety: all members may be called from any thread.
class Watch final {
 public:
  /// Must not throw.
  using Look = std::function<void()>;

  Watch(std::chrono::milliseconds interval, Look look);
  /// Waits until `look` has returned, where it is being called.
  ~Watch() = default;
  Watch(Watch const&) = delete;
  Watch& operator=(Watch const&) = delete;

  /// Sees to it that this process has the thread. Cheap where it has.
  void Keep() const;

 private:
  struct State {
    State(State* parents, std::chrono::milliseconds interval, Look const& look);
    ~State();
    State(State const&) = delete;
    State& operator=(State const&) = delete;

    void Run(std::chrono::milliseconds interval, Look const& look);

    std::mutex Mutex;
    std::condition_variable Changed;
    bool Stopping = false;
    std::thread Thread;
  };

  PerProcess<State, std::chrono::milliseconds, Look> state_;
};

}  // namespace mtlspop
