#pragma once

/// @file
/// Threads for work that belongs to a credential and to no caller.

#include <functional>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/base/thread_pool.hpp"
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
  /// Gets a context that is cancelled when the worker is destroyed, or the process ends. Must not throw.
  using Job = std::function<void(Context const& context)>;

  /// The destructor cancels what runs, drops what waits, and returns when all threads have ended. It leaves alone what a
  /// parent runs.
  Worker() = default;
  Worker(Worker const&) = delete;
  Worker& operator=(Worker const&) = delete;

  /// @throw std::system_error, std::bad_alloc where no thread can be had and none is running
  void Run(Job job);

 private:
  struct State {
    explicit State(State* parents);

    Context WorkersContext = Context{}.WithCancellation();
    ThreadPool Threads;
  };

  PerProcess<State> state_;
};

}  // namespace mtlspop
