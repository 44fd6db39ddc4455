#pragma once

/// @file
/// That a connection was closed, and why.

#include <cstdint>
#include <string>
#include <string_view>

#include "mtlspop/transport/executor.hpp"
#include "mtlspop/transport/observer.hpp"

namespace mtlspop {

enum class CloseReason {
  /// What it was used for has failed, was cancelled or took too long.
  Error,
  /// The answer was not read to its end, or came before the whole request was sent.
  Incomplete,
  /// The server has closed it, or said that it would.
  Server,
  /// `PoolOptions::IdleTimeout`.
  Idle,
  /// It made room for another one: `PoolOptions::MaximumPerOrigin`, `MaximumTotal`.
  Limit,
  /// `HttpTransport::DropConnections`.
  BindingDropped,
  /// The transport has gone.
  TransportGone,
  /// The operating system closed it and did not say why.
  NotKnown,
};

/// "error", "incomplete", "server", "idle", "limit", "binding_dropped", "transport_gone", "not_known".
std::string_view ToString(CloseReason reason) noexcept;

struct ClosedConnection {
  /// As `transport.connected` has it.
  std::string Host;
  /// In its transport.
  std::uint64_t Number;
  std::string X5tS256;
  CloseReason Why;
};

/// Tells the event `transport.connection_closed` on the executor, since connections are closed where no observer may be
/// called. Where there is no memory for it, nobody is told.
void TellClosed(EventSink const& observer, Executor const& callbacks, ClosedConnection connection) noexcept;

}  // namespace mtlspop
