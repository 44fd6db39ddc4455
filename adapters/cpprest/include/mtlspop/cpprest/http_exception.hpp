#pragma once

/// @file
/// What a cpprestsdk application sees when a request fails.

#include <string>

#include <cpprest/http_msg.h>

#include "mtlspop/cpprest/export.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::cpprest {

/// An `Error` of this library in the shape that a cpprestsdk application already catches. `what()` is the error's whole
/// text, with what to do about it; `error_code()` compares equal to a condition of `std::errc`:
///
/// | condition | codes of this library |
/// |---|---|
/// | `timed_out` | `deadline_exceeded` |
/// | `host_unreachable` | `name_resolution_failed`, `connect_failed`, `proxy_failed`, `proxy_authentication_required` |
/// | `connection_aborted` | `connection_lost`, `connection_lost_during_binding` |
/// | `protocol_error` | TLS handshakes that fail |
/// | `bad_message` | answers that cannot be read, or exceed a limit |
/// | `invalid_argument` | `invalid_argument` |
/// | `resource_unavailable_try_again` | `pool_exhausted`, `pool_queue_full` |
/// | `io_error` | `request_body_failed`, `trust_store_unusable`, `system_failure` |
/// | `operation_canceled` | `cancelled` |
/// | `permission_denied` | everything about tokens, and what is refused for the sake of them |
///
/// A request cancelled through its token fails with cpprestsdk's own exception and `operation_canceled`.
///
/// Thread safety: immutable.
class MTLSPOP_CPPREST_EXPORT HttpException final : public web::http::http_exception {
 public:
  /// With the text and the details of `error`.
  explicit HttpException(Error const& error);

  /// The kind of failure, as `Error::Code()`.
  ErrorCode Code() const noexcept { return details_.Code; }
  /// All that is known of it, as `Error::Details()`.
  ErrorDetails const& Details() const noexcept { return details_; }

 private:
  ErrorDetails details_;
};

}  // namespace mtlspop::cpprest
