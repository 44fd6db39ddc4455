#pragma once

/// @file
/// Threads that are there when they are needed.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

namespace mtlspop {

/// A job never waits for another one to end, so jobs may wait for each other: where no thread is idle there is one more. An
/// idle thread is given the next job, the one that went idle last first; one that stays idle ends.
///
/// When the process ends (by `exit`, or by return from `main`) the pools that are left are stopped, and their threads are
/// joined before OpenSSL takes itself down: a handshake that goes on meanwhile would use what is gone. A thread that does
/// not end within `LongestEnding` is left behind. From then on a pool runs nothing.
///
/// A child of fork() has none of the threads: whoever owns a pool keeps it in a `PerProcess`.
///
/// Thread safety: all members may be called from any thread. The destructor stops the pool and joins its threads; where
/// the last owner lets go on one of them, that one ends by itself right afterwards.
class ThreadPool final {
 public:
  /// Must not throw.
  using Job = std::function<void()>;
  /// Starts a thread that does `work`.
  /// @throw std::system_error where the system has none to give
  using Factory = std::function<std::thread(Job work)>;

  static constexpr std::chrono::seconds LongestEnding{10};

  struct Options {
    std::chrono::milliseconds IdleTime = std::chrono::seconds{10};
    Factory MakeThread;
    /// Tells what runs that it is to end. Called once when the pool is stopped, on the thread that stops it, before the
    /// threads are joined. Must not throw.
    std::function<void()> OnStop;
  };

  explicit ThreadPool(Options options);
  ~ThreadPool();
  ThreadPool(ThreadPool const&) = delete;
  ThreadPool& operator=(ThreadPool const&) = delete;

  /// Runs `job` on one of the threads. Where the system has no thread to give, the job waits for one of those that are
  /// there; as also what a stopped pool is still given by its own jobs.
  /// @throw std::system_error, std::bad_alloc where there is no thread at all; the job is not run then
  void Run(Job job);

  /// As `Run`, but the job never waits for a thread.
  /// @throw std::system_error, std::bad_alloc where there is none, or the pool is stopped; the job is not run then
  void RunNow(Job job);

  /// Keeps one thread, idle or not, for as long as it lives: what `Run` is given meanwhile is run, and `Run` throws
  /// nothing, however short of memory and threads the system is by then. Letting go takes no lock, so that a child of fork()
  /// may.
  class Hold final {
   public:
    Hold() noexcept = default;
    Hold(Hold&& other) noexcept = default;
    Hold& operator=(Hold&& other) noexcept {
      LetGo();
      count_ = std::move(other.count_);
      return *this;
    }
    ~Hold() { LetGo(); }

   private:
    friend class ThreadPool;
    explicit Hold(std::shared_ptr<std::atomic<std::size_t>> count) noexcept : count_(std::move(count)) {}
    void LetGo() noexcept {
      if (auto const count = std::exchange(count_, nullptr)) count->fetch_sub(1);
    }

    std::shared_ptr<std::atomic<std::size_t>> count_;
  };

  /// Of a stopped pool it keeps none.
  /// @throw std::system_error, std::bad_alloc where there is no thread
  Hold KeepThread();

  /// How many threads there are now.
  std::size_t ThreadCount() const;

 private:
  class State;
  std::shared_ptr<State> state_;
};

/// Stops all pools of this process and joins their threads, as the end of the process does; for whoever has to be sure of it
/// earlier than that. No pool of this process runs anything afterwards.
void EndThreadPools() noexcept;

}  // namespace mtlspop
