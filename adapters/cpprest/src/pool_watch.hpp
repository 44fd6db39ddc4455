#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "mtlspop/base/thread_pool.hpp"

namespace mtlspop::cpprest {

/// Threads that somebody else owns, with a queue of work, first in, first out.
struct SharedPool {
  std::function<void(std::function<void()> work)> Post;
  /// Runs the next work of the queue on the calling thread; false where there is none.
  std::function<bool()> RunOne;
};

/// Keeps the pool that all of cpprestsdk shares from coming to a standstill.
///
/// The continuations of requests and of what a response is read with (`extract_json`, `content_ready`, ...) run there. There
/// are forty threads. Where continuations wait for other answers on all of them, nobody is left to run what follows these
/// answers: an asynchronous transport does not help, since it is the application that waits. The
/// pool cannot be told to grow; but whoever wants to may run what is in its queue. So while answers come in, the watch posts
/// probes. Where one is not answered in time and nothing moves, threads of its own run what is queued, twice as many
/// whenever all of them have come to wait in their turn.
///
/// On Windows tasks run in the system's pool, which grows to 500 threads by itself, and what is in its queue cannot be run by
/// anybody else: there is no watch, and `handler.hpp` tells the limit.
///
/// Thread safety: all members may be called from any thread.
class PoolWatch final {
 public:
  explicit PoolWatch(SharedPool pool, std::chrono::milliseconds interval = std::chrono::milliseconds{10});
  ~PoolWatch();
  PoolWatch(PoolWatch const&) = delete;
  PoolWatch& operator=(PoolWatch const&) = delete;

  /// The one of this process over cpprestsdk's pool, which ends before the pool does. Null where cpprestsdk uses the
  /// system's threads, and where the pool is that of a process which this one was forked from.
  static std::shared_ptr<PoolWatch> OfProcess();

  /// @throw Error `system_failure` where the threads of cpprestsdk's pool stayed behind in a process which this one was
  /// forked from: whoever waited for what runs there would wait for ever.
  static void RefuseDeadPool();

  /// An answer is there, and the pool has to read it. Watches for a while from now on.
  void Touch() noexcept;

  /// Watches no more; waits for the threads that help out.
  void Stop();

 private:
  struct Probe;

  void StartWatching() noexcept;
  void Watch() noexcept;
  bool WatchUntilQuiet(std::unique_lock<std::mutex>& lock);
  std::shared_ptr<Probe> SendProbe() const;
  void BringHelp();
  void HelpOut() noexcept;

  SharedPool const pool_;
  std::chrono::milliseconds const interval_;
  std::atomic<bool> isTouched_{false};
  std::atomic<bool> isWatching_{false};
  std::atomic<bool> isStopping_{false};
  std::atomic<std::size_t> helpers_{0};
  std::atomic<std::uint64_t> helped_{0};
  std::uint64_t helpedBefore_ = 0;
  std::mutex mutex_;
  std::condition_variable stopped_;
  /// Those of the watch and of those who help out, which never wait for each other.
  std::unique_ptr<ThreadPool> threads_;
};

}  // namespace mtlspop::cpprest
