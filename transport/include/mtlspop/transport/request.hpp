#pragma once

/// @file
/// What is sent.

#include <memory>
#include <string>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/body_stream.hpp"
#include "mtlspop/transport/headers.hpp"
#include "mtlspop/transport/url.hpp"

namespace mtlspop {

/// One HTTP request. The certificate it travels with is not in here: it is an argument of `HttpTransport::Send`,
/// because it belongs to the attempt, not to the message.
///
/// `Content-Length`, `Transfer-Encoding`, `Connection`, `Expect`, `Upgrade` and `TE` are the transport's own and refused
/// in `Fields` with `invalid_argument`. So are a second `Host`, a name that is not a token, a value with a control character
/// other than the tab, and the method `CONNECT`. One `Host` may be set to a value of the caller's, but for a request with a
/// token or a binding: there it has to be that of the URL.
///
/// `Authorization`, `Proxy-Authorization`, `x-ms-authorization-auxiliary`, `x-ms-copy-source-authorization`,
/// `x-ms-tokenboundauth` and `access_token` in the query go over https only (`authorization_requires_https`), and the scheme `mtls_pop` with a binding only (`bound_token_without_binding`).
///
/// Thread safety: one thread at a time.
struct Request {
  /// A request without header fields and body.
  Request(std::string method, Url target) : Method(std::move(method)), Target(std::move(target)) {}

  /// A token of RFC 9110 section 9.1, for example "GET". Case matters.
  std::string Method;
  /// Where it goes.
  Url Target;
  /// The header fields, but for those that the transport writes.
  Headers Fields;
  /// Null for a request without a body. A body whose length is not known is sent chunked.
  std::shared_ptr<BodyStream> Body;
  /// Sends `Expect: 100-continue` and holds the body back until the server says so, answers, or
  /// `TransportOptions::ContinueTimeout` has passed (RFC 9110 section 10.1.1). Refused on Windows, whose WinHTTP does
  /// not wait.
  bool ExpectContinue = false;
  /// Goes straight to the host whatever the proxy options say. For the instance metadata service, which a proxy must
  /// never see.
  bool NeverProxied = false;

  /// Sets a body from memory.
  void SetBody(std::string text) { Body = std::make_shared<MemoryBody>(std::move(text)); }
};

/// Whether sending a request with this method twice does no more than sending it once (RFC 9110 section 9.2.2).
MTLSPOP_EXPORT bool IsIdempotent(std::string_view method) noexcept;

}  // namespace mtlspop
