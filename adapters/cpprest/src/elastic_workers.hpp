#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <thread>

#include <pplx/pplxtasks.h>

namespace mtlspop::cpprest {

/// Starts a thread that does `work`.
/// @throw std::system_error where the system has none to give.
using ThreadFactory = std::function<std::thread(std::function<void()> work)>;
std::thread MakeThread(std::function<void()> work);

/// Threads that are there when they are needed: a task never waits for another one to end, so tasks may wait for each
/// other. An idle thread is given the next task, the one that went idle last first; one that stays idle ends.
///
/// As a scheduler of pplx it runs the continuations of the tasks that were made with it, with the same promise.
///
/// Thread safety: `schedule` may be called from any thread. The destructor joins all threads; where the last owner lets go
/// on one of them, that one ends by itself right afterwards.
class ElasticWorkers final : public pplx::scheduler_interface {
 public:
  explicit ElasticWorkers(
      std::chrono::milliseconds idleTime = std::chrono::seconds{10}, ThreadFactory makeThread = MakeThread);
  virtual ~ElasticWorkers();
  ElasticWorkers(ElasticWorkers const&) = delete;
  ElasticWorkers& operator=(ElasticWorkers const&) = delete;

  /// Runs `task(argument)`, which must not throw, on one of the threads. Where the system has no thread to give, the task
  /// waits for one of those that are there.
  /// @throw std::system_error where there is no thread at all.
  void schedule(pplx::TaskProc_t task, void* argument) override;

  /// As `schedule`, but the task never waits for a thread.
  /// @throw Error `system_failure` where there is none; the task is not run then.
  void RunNow(pplx::TaskProc_t task, void* argument);

  /// How many threads there are now.
  std::size_t ThreadCount() const;

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace mtlspop::cpprest
