#pragma once

/// @file
/// The threads that wait for all asynchronous requests of the process.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "mtlspop/base/fork_epoch.hpp"
#include "mtlspop/base/reserved_memory.hpp"
#include "mtlspop/base/thread_pool.hpp"

namespace mtlspop::openssl {

/// Something that is to go on, on a reactor's thread. One that is ready already is not queued again.
class Resumable : public std::enable_shared_from_this<Resumable> {
 public:
  virtual ~Resumable() = default;
  /// On the reactor's thread.
  virtual void Resume() noexcept = 0;

 protected:
  Resumable() = default;
  Resumable(Resumable const&) = delete;
  Resumable& operator=(Resumable const&) = delete;

 private:
  friend class Reactor;
  std::atomic<bool> isReady_{false};
  std::shared_ptr<Resumable> nextReady_;
};

/// One thread, and what it waits with.
///
/// Thread safety: all members may be called from any thread; what uses `Io` otherwise runs on its thread.
class Reactor final : public std::enable_shared_from_this<Reactor> {
 public:
  /// Whose thread it is.
  enum class Owner { Library, Application };

  /// @throw boost::system::system_error where the system gives no descriptors for it
  explicit Reactor(Owner owner = Owner::Library);
  ~Reactor();
  Reactor(Reactor const&) = delete;
  Reactor& operator=(Reactor const&) = delete;

  /// Waits and resumes until it is stopped; not at all in a child of fork(). What it throws is a handler's that somebody else has
  /// given to `Io`.
  void Run();
  void Stop() noexcept { io_.stop(); }

  /// Has `resumable` resumed. Allocates nothing. Does nothing in a child of fork(), which has not got the thread, and to which
  /// the locks of it may be lost.
  void Ready(std::shared_ptr<Resumable> resumable) noexcept;
  boost::asio::io_context& Io() noexcept { return io_; }
  /// Whether the calling thread is a reactor's.
  static bool IsOnOne() noexcept { return here_ != nullptr; }
  /// Whether the calling thread is this one's.
  bool IsHere() const noexcept { return here_ == this; }
  /// The calling thread's where that is the application's: what is begun there is waited for there. Null elsewhere, and in a child
  /// of fork().
  static std::shared_ptr<Reactor> OfApplication();

  /// Whether `task` will run on its thread, and is taken then: not where nobody will run it, or there is no memory for it. It is
  /// destroyed there too.
  bool Post(std::function<void()>& task) noexcept;
  /// Nothing more is posted: its owner is gone.
  void Close() noexcept;

  /// How many operations it has to wait for.
  std::size_t Load() const noexcept { return load_.load(); }
  void Add() noexcept;
  void Remove() noexcept;
  /// Whether it has operations, or tasks that were posted and have not run.
  bool HasWork() const noexcept { return undone_.load() > 0; }
  /// Has it stop with the last of them.
  void StopWhenDone() noexcept;

  bool IsOfThisProcess() const noexcept { return epoch_ == ForkEpoch(); }

 private:
  struct Drain;

  void ResumeReady() noexcept;
  void Begun() noexcept { undone_.fetch_add(1); }
  void Done() noexcept;

  static inline thread_local Reactor* here_ = nullptr;

  Owner const owner_;
  std::uint64_t const epoch_ = ForkEpoch();
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> const work_{io_.get_executor()};
  std::atomic<std::size_t> load_{0};
  std::atomic<std::size_t> undone_{0};
  std::atomic<bool> stopsWhenDone_{false};
  std::mutex closing_;
  bool isClosed_ = false;
  std::mutex mutex_;
  /// In turn: each holds the next one.
  std::shared_ptr<Resumable> first_;
  Resumable* last_ = nullptr;
  /// For the one handler that is posted at a time.
  ReservedMemory drainMemory_;
};

/// All reactors of a process: as many as it has processors at most, each begun when the others are busy. They end with the
/// last one who holds them, and with the process: then nothing is resumed any more.
///
/// Thread safety: all members may be called from any thread at any time.
class Reactors final : public std::enable_shared_from_this<Reactors> {
 public:
  Reactors();
  ~Reactors();
  Reactors(Reactors const&) = delete;
  Reactors& operator=(Reactors const&) = delete;

  /// Those of this process; a child of fork() has others.
  static std::shared_ptr<Reactors> Shared();

  /// The one to use next.
  /// @throw Error `system_failure` where there is none and no thread for one
  std::shared_ptr<Reactor> Pick();

  /// Has one of the application's, whose thread is gone, go on until its operations and tasks are at their end. Where the system
  /// has no thread for it, they stay as they are.
  void Adopt(std::shared_ptr<Reactor> const& reactor) noexcept;

 private:
  struct Started {
    std::mutex Mutex;
    std::vector<std::shared_ptr<Reactor>> All;
    /// Not for what begins now.
    std::vector<std::shared_ptr<Reactor>> Adopted;
  };

  static void StopAll(Started& started) noexcept;

  std::size_t const maximum_;
  /// Shared with what stops them at the end of the process.
  std::shared_ptr<Started> const started_;
  ThreadPool threads_;
};

}  // namespace mtlspop::openssl
