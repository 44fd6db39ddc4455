#pragma once

/// @file
/// What a proxy says in the place of the server behind it, as an error.

#include <string>

namespace mtlspop::schannel {

struct ProxyAnswer {
  /// "host:port", "" where it is the machine's, whose name nobody tells.
  std::string Proxy;
  /// "host:port" of the server.
  std::string Target;
  int Status = 0;
  bool HasCredentials = false;
  /// Whether nothing of the request has gone out; CONNECT is no part of it.
  bool NothingSent = true;
};

/// @throw Error `proxy_authentication_required` for status 407, `proxy_failed` for any other, always
[[noreturn]] void ThrowProxyAnswer(ProxyAnswer const& answer);

}  // namespace mtlspop::schannel
