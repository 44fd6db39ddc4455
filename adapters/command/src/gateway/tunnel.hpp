#pragma once

/// @file
/// Connections that pass through the gateway as they are.

#include <cstdint>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "gateway/exchange.hpp"

namespace mtlspop::gateway {

/// Connects to `host`, a name or an address, and passes bytes both ways until both sides have ended, or neither has sent
/// anything for ten minutes. Nothing of it is looked at. CONNECT is answered with 502 or 504 where there is no connection.
void OpenTunnel(
    boost::asio::io_context& io, std::shared_ptr<Exchange> exchange, std::string const& host, std::uint16_t port);

}  // namespace mtlspop::gateway
