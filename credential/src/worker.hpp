#pragma once

/// @file
/// Threads for work that belongs to a credential and to no caller.

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/transport/context.hpp"

namespace mtlspop {

/// Runs jobs on threads of its own: one more whenever none is idle, and none for long where there is nothing to do. How
/// many there can be is limited by what is run, which is one job per token.
///
/// A child of fork() has none of its parent's threads; the first job there starts new ones.
///
/// Thread safety: all members may be called from any thread.
class Worker final {
 public:
  /// Gets a context that is cancelled when the worker is destroyed. Must not throw.
  using Job = std::function<void(Context const& context)>;

  Worker() = default;
  /// Cancels what runs, drops what waits, and returns when all threads have ended. Leaves alone what a parent runs.
  ~Worker();
  Worker(Worker const&) = delete;
  Worker& operator=(Worker const&) = delete;

  /// @throw std::system_error where no thread can be had and none is running
  void Run(Job job);

 private:
  using Threads = std::list<std::thread>;

  /// With the jobs of a parent goes whatever counts its threads, the condition variable too.
  struct State {
    explicit State(State*) {}

    Context WorkersContext = Context{}.WithCancellation();
    std::mutex Mutex;
    std::condition_variable Changed;
    std::deque<Job> Jobs;
    Threads Running;
    /// Have nothing more to do but to end.
    Threads Ended;
    std::size_t Idle = 0;
    bool Stopping = false;
  };

  static void Work(State& state, Threads::iterator self);
  static bool WaitForJob(State& state, std::unique_lock<std::mutex>& lock);
  static void Join(Threads& threads);

  PerProcess<State> state_;
};

}  // namespace mtlspop
