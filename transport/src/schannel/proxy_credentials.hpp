#pragma once

/// @file
/// Credentials for a proxy, as WinHTTP wants them.

#include <optional>

#include "mtlspop/transport/secret.hpp"
#include "schannel/cleansed_text.hpp"

namespace mtlspop::schannel {

struct ProxyCredentials {
  CleansedText UserName;
  CleansedText Password;
};

/// From the value of Proxy-Authorization (RFC 7617); none where it is empty.
std::optional<ProxyCredentials> ReadProxyCredentials(Secret const& authorization);

}  // namespace mtlspop::schannel
