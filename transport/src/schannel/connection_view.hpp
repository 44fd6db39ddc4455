#pragma once

/// @file
/// What WinHTTP says of the connection that a request is about to be sent on.

#include <string>

#include "mtlspop/transport/schannel.hpp"
#include "schannel/winhttp_functions.hpp"

namespace mtlspop::schannel {

/// The connection that a request is about to be sent on.
struct ConnectionView {
  /// Whether it was made for this very request, and the request has not been sent on it before.
  bool IsNew = false;
  /// Address and port on this side, as opaque bytes; empty where WinHTTP does not say.
  std::string LocalEndpoint;
  /// The same for the other side; empty as well where a proxy may stand between.
  std::string RemoteEndpoint;
  /// The server's certificate; null for plain http, or where WinHTTP does not say.
  CertificateContextPtr Server;
  /// There is no TLS yet: what is about to be sent to an https server's proxy is the CONNECT, and nothing of the request.
  /// It will be asked again.
  bool IsTunnelPending = false;
};

/// Asks WinHTTP. `mayMeetProxy` where a proxy may stand between, `IsNew` is left as it is.
ConnectionView ViewConnection(WinHttpFunctions& functions, HINTERNET request, bool isHttps, bool mayMeetProxy);

}  // namespace mtlspop::schannel
