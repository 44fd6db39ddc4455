#pragma once

#include <chrono>
#include <cstddef>

#include <pplx/pplxtasks.h>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/base/thread_pool.hpp"
#include "mtlspop/transport/context.hpp"

namespace mtlspop::cpprest {

/// Threads of this library as a scheduler of pplx: it runs the continuations of the tasks that were made with it. A task
/// never waits for another one to end, so tasks may wait for each other.
///
/// A child of fork() has none of its parent's threads; the first task there starts new ones.
///
/// Thread safety: all members may be called from any thread. The destructor joins all threads; where the last owner lets go
/// on one of them, that one ends by itself right afterwards.
class ElasticWorkers final : public pplx::scheduler_interface {
 public:
  explicit ElasticWorkers(
      std::chrono::milliseconds idleTime = std::chrono::seconds{10}, ThreadPool::Factory makeThread = nullptr);
  ElasticWorkers(ElasticWorkers const&) = delete;
  ElasticWorkers& operator=(ElasticWorkers const&) = delete;

  /// Runs `task(argument)`, which must not throw, on one of the threads. Where the system has no thread to give, the task
  /// waits for one of those that are there; where there is none at all, or the process is ending, it runs on the caller's.
  void schedule(pplx::TaskProc_t task, void* argument) override;

  /// As `schedule`, but the task never waits for a thread.
  /// @throw Error `system_failure` where there is none; the task is not run then.
  void RunNow(pplx::TaskProc_t task, void* argument);

  /// Cancelled when the threads are to end, and so is what runs on them: the process ends.
  Context const& Lifetime() const { return state_.Get().Ended; }

  /// How many threads there are now.
  std::size_t ThreadCount() const;

 private:
  struct State {
    State(State* parents, std::chrono::milliseconds idleTime, ThreadPool::Factory const& makeThread);

    Context Ended = Context{}.WithCancellation();
    ThreadPool Threads;
  };

  PerProcess<State, std::chrono::milliseconds, ThreadPool::Factory> state_;
};

}  // namespace mtlspop::cpprest
