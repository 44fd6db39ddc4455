#pragma once

/// @file
/// Threads for what blocks, or runs code that is not ours: so many and no more.

#include <cstddef>
#include <functional>
#include <list>
#include <memory>

#include "mtlspop/base/thread_pool.hpp"

namespace mtlspop {

/// A job that finds all threads busy waits for its turn, first come first served. So a job must not wait for another one of
/// the same pool: who waits for reading waits for it in another pool than the one for sending.
///
/// The threads are a `ThreadPool`'s, with what that says of idle threads, the end of the process and of the destructor. What
/// is still waiting then is not run, and what runs is told to end.
///
/// Thread safety: all members may be called from any thread. It is not destroyed by a job of its own.
class BoundedPool final {
 public:
  struct Job {
    /// What it throws ends the process.
    std::function<void()> Work;
    /// Tells `Work` to end, on another thread, while it runs or right after: called at most once, where the pool is stopped.
    /// Null for work that is short. Must not throw.
    std::function<void()> Cancel;
  };

  /// Where a job waits and runs, made before it is known whether there will be one.
  class Place final {
   public:
    /// @throw std::bad_alloc
    Place() : job_(1) {}

   private:
    friend class BoundedPool;
    std::list<Job> job_;
  };

  /// @param maximumThreads at least 1
  explicit BoundedPool(std::size_t maximumThreads);
  ~BoundedPool();
  BoundedPool(BoundedPool const&) = delete;
  BoundedPool& operator=(BoundedPool const&) = delete;

  /// Returns whether it has a thread; else it waits for its turn.
  /// @throw std::system_error, std::bad_alloc where there is no thread at all, or the pool is stopped; the job is not run then
  bool Run(Job job);

  /// The same for whoever cannot do anything about a failure: where the system has no thread at all, the job waits until
  /// another one is given and there is. Where the pool is stopped, it is not run.
  /// @throw std::bad_alloc; the job is not run then
  void RunWhenPossible(Job job);

  /// As `KeepThread` of a `ThreadPool`: what is run meanwhile is not left waiting for want of a thread.
  /// @throw std::system_error, std::bad_alloc where there is none
  ThreadPool::Hold KeepThread();

  /// As `RunWhenPossible`, but allocates nothing; nor does it wait for more than its turn, where somebody keeps a thread.
  /// @param place is used up
  void RunIn(Place& place, std::function<void()> work) noexcept;

  /// How many threads have a job now.
  std::size_t BusyCount() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace mtlspop
