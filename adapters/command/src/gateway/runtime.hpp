#pragma once

/// @file
/// The threads of a gateway.

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "gateway/connections.hpp"
#include "gateway/listener.hpp"
#include "mtlspop/transport/executor.hpp"

namespace mtlspop::gateway {

/// What the connections of a gateway wait with. It is there before the gateway, for `ExecutorOn`.
std::shared_ptr<boost::asio::io_context> MakeIo();

/// Runs completions on the threads on which the connections live, so that no others have to be woken for an answer; on the
/// library's own when those are gone.
Executor ExecutorOn(std::shared_ptr<boost::asio::io_context> io);

/// As many threads as there are processors, four at most, on which all connections of a gateway live.
///
/// Thread safety: all members may be called from any thread.
class Runtime final {
 public:
  Runtime(std::shared_ptr<boost::asio::io_context> io, std::size_t maximumConnections);
  ~Runtime();
  Runtime(Runtime const&) = delete;
  Runtime& operator=(Runtime const&) = delete;

  boost::asio::io_context& Io() noexcept { return *io_; }
  std::shared_ptr<gateway::Connections> const& Clients() const noexcept { return connections_; }

  /// Has `listener` accept, and stops it when this ends.
  void Serve(
      std::shared_ptr<Listener> const& listener,
      std::shared_ptr<Site> site,
      std::shared_ptr<ConnectionSettings const> settings);

  /// Nothing listens any more. Requests under way have `patience` to end, all others end at once; nothing of it runs when
  /// this returns. Later calls do nothing.
  void Stop(std::chrono::milliseconds patience) noexcept;

 private:
  std::shared_ptr<boost::asio::io_context> const io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::shared_ptr<gateway::Connections> const connections_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  std::vector<std::thread> threads_;
};

}  // namespace mtlspop::gateway
