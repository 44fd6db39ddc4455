#pragma once

/// @file
/// The threads of a gateway.

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <shared_mutex>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "mtlspop/transport/event_loop.hpp"
#include "mtlspop/transport/executor.hpp"

namespace mtlspop::gateway {

/// A loop for each processor. A client's connection lives on one of them, and so do the requests that go out for it: one thread
/// does all that a request needs.
///
/// Thread safety: all members may be called from any thread.
class Loops final : public std::enable_shared_from_this<Loops> {
 public:
  /// @throw Error `system_failure`
  Loops();

  std::size_t Size() const noexcept { return all_.size(); }
  boost::asio::io_context& At(std::size_t index) noexcept { return all_[index]->Itself.Io(); }
  /// Runs tasks on that loop; on the library's own threads when it is gone. It keeps nothing alive.
  Executor const& TasksAt(std::size_t index) const noexcept { return all_[index]->Tasks; }
  /// The calling thread's, else one after the other.
  std::size_t Here() noexcept;
  /// One after the other.
  boost::asio::io_context& NextIo() noexcept { return At(Next()); }

  /// Runs tasks on the loop of the thread that gives them, else on any; on the library's own threads when the loops have ended. It
  /// keeps them not alive.
  Executor MakeExecutor();

  /// Runs that loop on the calling thread until `Stop`.
  void Run(std::size_t index);
  void Stop() noexcept;
  /// What the loops have been given meanwhile, and nobody runs any more.
  void RunRest() noexcept;

 private:
  struct Loop {
    openssl::EventLoop Itself;
    Executor const Tasks = Itself.MakeExecutor();
  };

  bool Give(std::function<void()>& task);
  std::size_t Next() noexcept { return next_.fetch_add(1) % all_.size(); }

  std::vector<std::unique_ptr<Loop>> all_;
  std::atomic<std::size_t> next_{0};
  std::shared_mutex mutex_;
  bool haveEnded_ = false;
};

}  // namespace mtlspop::gateway
