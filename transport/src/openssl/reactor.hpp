#pragma once

/// @file
/// The threads that wait for all asynchronous requests of the process.

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include <boost/asio/io_context.hpp>

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
class Reactor final {
 public:
  /// @throw boost::system::system_error where the system gives no descriptors for it
  Reactor();
  ~Reactor();
  Reactor(Reactor const&) = delete;
  Reactor& operator=(Reactor const&) = delete;

  /// Waits and resumes until it is stopped.
  void Run() noexcept;
  void Stop() noexcept { io_.stop(); }

  /// Has `resumable` resumed. Allocates nothing.
  void Ready(std::shared_ptr<Resumable> resumable) noexcept;
  boost::asio::io_context& Io() noexcept { return io_; }

  /// How many operations it has to wait for.
  std::atomic<std::size_t> Load{0};

 private:
  struct Drain;

  void ResumeReady() noexcept;

  boost::asio::io_context io_{1};
  std::mutex mutex_;
  /// In turn: each holds the next one.
  std::shared_ptr<Resumable> first_;
  Resumable* last_ = nullptr;
  /// For the one handler that is posted at a time.
  alignas(std::max_align_t) unsigned char drainStorage_[256];
};

/// All reactors of a process: as many as it has processors at most, each begun when the others are busy. They end with the
/// last one who holds them, and with the process: then nothing is resumed any more.
///
/// Thread safety: all members may be called from any thread at any time.
class Reactors final {
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

 private:
  struct Started {
    std::mutex Mutex;
    std::vector<std::shared_ptr<Reactor>> All;
  };

  static void StopAll(Started& started) noexcept;

  std::size_t const maximum_;
  /// Shared with what stops them at the end of the process.
  std::shared_ptr<Started> const started_;
  ThreadPool threads_;
};

}  // namespace mtlspop::openssl
