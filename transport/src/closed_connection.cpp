#include "closed_connection.hpp"

#include <exception>
#include <utility>

namespace mtlspop {

std::string_view ToString(CloseReason reason) noexcept {
  switch (reason) {
    case CloseReason::Error:
      return "error";
    case CloseReason::Incomplete:
      return "incomplete";
    case CloseReason::Server:
      return "server";
    case CloseReason::Idle:
      return "idle";
    case CloseReason::Limit:
      return "limit";
    case CloseReason::BindingDropped:
      return "binding_dropped";
    case CloseReason::TransportGone:
      return "transport_gone";
    case CloseReason::NotKnown:
      break;
  }
  return "not_known";
}

void TellClosed(EventSink const& observer, Executor const& callbacks, ClosedConnection connection) noexcept {
  try {
    callbacks([observer, connection = std::move(connection)] {
      observer.Tell(
          Severity::Debug, "transport.connection_closed",
          {{"host", connection.Host},
           {"connection", static_cast<std::int64_t>(connection.Number)},
           {"reason", ToString(connection.Why)},
           {"x5t_s256", connection.X5tS256}});
    });
  } catch (std::exception const&) {  // NOLINT(bugprone-empty-catch): as said above
  }
}

}  // namespace mtlspop
