#pragma once

/// @file
/// Connections that pass through the gateway as they are.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "gateway/exchange.hpp"
#include "mtlspop/transport/executor.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/proxy_selection.hpp"

namespace mtlspop::gateway {

/// The way out of tunnels: that of the transport's requests, by what it was told of proxies, limits and time.
struct TunnelSettings {
  /// @throw Error `invalid_argument` for a proxy that cannot be used
  explicit TunnelSettings(TransportOptions const& options)
      : Proxies(options.Proxy), Limits(options.Limits), ConnectTime(options.ConnectTimeout) {}

  ProxySelection Proxies;
  /// Of a proxy's answer.
  TransportLimits Limits;
  /// Until there is a tunnel, the proxy's answer included.
  std::chrono::milliseconds ConnectTime;
};

/// Connects to `host`, a name or an address, directly or through the proxy that `settings` have for it, and passes bytes both ways
/// until both sides have ended, or neither has sent anything for ten minutes. Nothing of it is looked at. CONNECT is answered with
/// 502 or 504 where there is no connection.
/// @param home runs tasks where `io` runs, and elsewhere when that is gone
/// @throw Error where there is a proxy for this host and it cannot be used; `exchange` is not answered then
void OpenTunnel(
    boost::asio::io_context& io,
    Executor home,
    std::shared_ptr<Exchange> const& exchange,
    std::string const& host,
    std::uint16_t port,
    std::shared_ptr<TunnelSettings const> settings);

}  // namespace mtlspop::gateway
