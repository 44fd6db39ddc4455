#pragma once

/// @file
/// What is said to a proxy before it passes a connection through (RFC 9110 section 9.3.6).

#include <string>

#include <boost/asio/ip/tcp.hpp>

#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/outcome.hpp"
#include "mtlspop/transport/proxy_selection.hpp"

namespace mtlspop::gateway {

/// Has `proxy` open a tunnel to `target`, "host:port", over `socket`, which is connected to it. `done` gets what came right behind
/// the proxy's answer, which is the tunnel's already; or `Error` `proxy_failed` or `proxy_authentication_required`. It is called on
/// the socket's loop. All that is borrowed has to live until then; whoever cannot wait closes the socket.
void AskForTunnel(
    boost::asio::ip::tcp::socket& socket,
    Proxy const& proxy,
    std::string const& target,
    TransportLimits const& limits,
    Completion<std::string> done);

}  // namespace mtlspop::gateway
