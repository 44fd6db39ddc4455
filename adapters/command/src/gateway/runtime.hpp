#pragma once

/// @file
/// What runs a gateway.

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "gateway/connections.hpp"
#include "gateway/listener.hpp"
#include "gateway/loops.hpp"

namespace mtlspop::gateway {

/// Threads for loops that were there before, and what listens and lives on them.
///
/// Thread safety: all members may be called from any thread.
class Runtime final {
 public:
  Runtime(std::shared_ptr<gateway::Loops> loops, std::size_t maximumConnections);
  ~Runtime();
  Runtime(Runtime const&) = delete;
  Runtime& operator=(Runtime const&) = delete;

  gateway::Loops& Loops() noexcept { return *loops_; }
  std::shared_ptr<gateway::Connections> const& Clients() const noexcept { return connections_; }

  /// Has `listener` accept, and stops it when this ends.
  /// @param maximumOfItsOwn how many connections it may have, which then count for no other listener: where strangers can connect,
  /// they take no place of others. 0: it shares the places of this runtime.
  void Serve(
      std::shared_ptr<Listener> const& listener,
      std::shared_ptr<Site> site,
      std::shared_ptr<ConnectionSettings const> settings,
      std::size_t maximumOfItsOwn = 0);

  /// Of all listeners.
  std::size_t CountConnections() const;

  /// Nothing listens any more. Requests under way have `patience` to end, all others end at once; no connection of it runs when
  /// this returns. Later calls do nothing.
  void Stop(std::chrono::milliseconds patience) noexcept;

 private:
  using Places = std::vector<std::shared_ptr<gateway::Connections>>;

  Places AllPlaces() const;
  void End(Ending how) const;
  bool WaitForNone(std::chrono::milliseconds patience) const;

  std::shared_ptr<gateway::Loops> const loops_;
  std::shared_ptr<gateway::Connections> const connections_;
  // Of its own, since requests ask for the number while `Stop` waits for them.
  mutable std::mutex placesMutex_;
  Places others_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  std::vector<std::thread> threads_;
};

}  // namespace mtlspop::gateway
