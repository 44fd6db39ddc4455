#pragma once

/// @file
/// Credentials for a proxy, as WinHTTP wants them.

#include <optional>
#include <string>

#include "mtlspop/transport/secret.hpp"

namespace mtlspop::schannel {

struct ProxyCredentials {
  std::wstring UserName;
  std::wstring Password;
};

/// From the value of Proxy-Authorization (RFC 7617); none where it is empty.
std::optional<ProxyCredentials> ReadProxyCredentials(Secret const& authorization);

}  // namespace mtlspop::schannel
