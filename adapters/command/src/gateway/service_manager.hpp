#pragma once

/// @file
/// The small protocols of service managers: sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3).

#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

namespace mtlspop::gateway {

/// Tells the service manager of `NOTIFY_SOCKET`, for example "READY=1". Does nothing where there is none.
void NotifyServiceManager(std::string_view state) noexcept;

/// Tells it that the configuration is read again; "READY=1" is to follow.
void NotifyReloading() noexcept;

/// How often the service manager wants to hear "WATCHDOG=1": half of the time after which it takes the process for dead. None
/// where it does not want to.
std::optional<std::chrono::microseconds> WatchdogInterval() noexcept;

/// The sockets that the service manager has opened for this process, which owns them then; none where there are none. What
/// says so is taken out of the environment, so that it reaches no child.
///
/// Thread safety: as `unsetenv`: before there are other threads.
std::vector<int> TakeInheritedSockets();

}  // namespace mtlspop::gateway
