#pragma once

/// @file
/// The two small protocols of service managers: sd_notify(3) and sd_listen_fds(3).

#include <string_view>
#include <vector>

namespace mtlspop::gateway {

/// Tells the service manager of `NOTIFY_SOCKET`, for example "READY=1". Does nothing where there is none.
void NotifyServiceManager(std::string_view state) noexcept;

/// The sockets that the service manager has opened for this process, which owns them then; none where there are none. What
/// says so is taken out of the environment, so that it reaches no child.
///
/// Thread safety: as `unsetenv`: before there are other threads.
std::vector<int> TakeInheritedSockets();

}  // namespace mtlspop::gateway
