#pragma once

/// @file
/// Threads for work that belongs to a credential and to no caller.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

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

  Worker();
  /// Cancels what runs, drops what waits, and returns when all threads have ended.
  ~Worker();
  Worker(Worker const&) = delete;
  Worker& operator=(Worker const&) = delete;

  /// @throw std::system_error where no thread can be had and none is running
  void Run(Job job);

 private:
  using Threads = std::list<std::thread>;

  void Work(Threads::iterator self);
  bool WaitForJob(std::unique_lock<std::mutex>& lock);
  void ForgetParentsThreads();
  static void Join(Threads& threads);

  Context context_ = Context{}.WithCancellation();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  Threads threads_;
  /// Have nothing more to do but to end.
  Threads ended_;
  std::size_t idle_ = 0;
  bool stopping_ = false;
  std::uint64_t processId_;
};

}  // namespace mtlspop
