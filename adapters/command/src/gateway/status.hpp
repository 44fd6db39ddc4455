#pragma once

/// @file
/// What a gateway tells of itself, the same for `run` and `serve`.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "gateway/connection.hpp"
#include "gateway/handles.hpp"
#include "gateway/metrics.hpp"
#include "gateway/runtime.hpp"
#include "gateway/upstream.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/observer.hpp"

namespace mtlspop::gateway {

/// Where anybody on this machine can connect, nobody keeps a place for long who has nothing to say.
inline constexpr std::chrono::seconds FirstRequestTimeOfStrangers{10};

/// Counts, and answers at a port of its own.
///
/// Thread safety: all members may be called from any thread, `Open` once.
class Status final {
 public:
  /// Whom it asks; all of it has to live as long as `runtime` runs.
  struct Sources {
    std::shared_ptr<HttpTransport> Transport;
    std::shared_ptr<Upstream> Road;
    /// What a token is asked for, where nobody else may: none for nothing.
    std::function<std::optional<HandleGrant>()> GrantToTry;
    EventSink Observer{};
  };

  Status() = default;
  Status(Status const&) = delete;
  Status& operator=(Status const&) = delete;

  std::shared_ptr<gateway::Metrics> const& Metrics() const noexcept { return metrics_; }
  /// For `ConnectionSettings::OnNotAccepted`: counts, and tells `observer` now and then. Good for longer than this lives.
  std::function<void(NotAccepted)> Refusals(EventSink observer) const;
  /// `choice`, whose tokens are counted.
  CredentialChoice Metered(CredentialChoice choice) const;

  /// Answers `/live`, `/ready` and `/metrics` on this loopback port, 0 for any, as long as `runtime` runs, which has to end before
  /// this does.
  /// @return the port
  /// @throw Error `system_failure`
  std::uint16_t Open(std::uint16_t port, Runtime& runtime, Sources sources);
  /// From now on it is not ready. True the first time.
  bool BeginStop() noexcept { return !stopping_.exchange(true); }
  bool IsStopping() const noexcept { return stopping_; }

 private:
  std::string WhyNotReady();
  void TryAToken();

  std::shared_ptr<gateway::Metrics> const metrics_ = std::make_shared<gateway::Metrics>();
  Sources sources_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::chrono::steady_clock::time_point nextTry_;
};

}  // namespace mtlspop::gateway
