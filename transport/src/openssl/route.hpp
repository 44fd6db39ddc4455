#pragma once

/// @file
/// The way from here to an origin: directly, to another place by an override, or through a proxy.

#include <memory>
#include <string>

#include "destination.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "openssl/connection.hpp"
#include "openssl/http1_exchange.hpp"
#include "proxy_selection.hpp"

namespace mtlspop::openssl {

/// The way of one request. Borrows from its `RouteTable` and its request.
class Route final {
 public:
  Route(Origin const& origin, std::string host, std::uint16_t port, Proxy const* proxy, TlsVersion maximumVersion)
      : origin_(&origin), host_(std::move(host)), port_(port), proxy_(proxy), maximumVersion_(maximumVersion) {}

  /// A connection that is ready for a request to the origin: through the tunnel of the proxy where there is one.
  /// `waiter` bounds it.
  /// @param tls what to shake hands with the origin with, nullptr for plain http
  /// @throw Error
  std::unique_ptr<Connection> Connect(
      TlsContexts& contexts,
      std::shared_ptr<TlsContext> const& tls,
      TransportLimits const& limits,
      Waiter& waiter) const;

  bool UsesTls() const noexcept { return origin_->IsHttps(); }
  RequestForm Form() const noexcept;
  std::string ProxyText() const { return proxy_ != nullptr ? proxy_->Address.ToString() : std::string{}; }
  std::string Name() const { return origin_->HostAndPort(); }

 private:
  TlsChannel::Options Tls() const;
  std::unique_ptr<Connection> ConnectDirectly(std::shared_ptr<TlsContext> const& tls, Waiter& waiter) const;
  std::unique_ptr<Connection> ConnectThroughProxy(
      TlsContexts& contexts, TransportLimits const& limits, Waiter& waiter) const;
  void OpenTunnel(Connection& connection, TransportLimits const& limits, Waiter& waiter) const;

  Origin const* origin_;
  std::string host_;
  std::uint16_t port_;
  Proxy const* proxy_;
  TlsVersion maximumVersion_;
  std::size_t renegotiations_ = 0;

  friend class RouteTable;
};

/// The options that decide about ways, read once.
///
/// Thread safety: immutable.
class RouteTable final {
 public:
  /// @throw Error `invalid_argument`
  explicit RouteTable(TransportOptions const& options);

  Route For(Request const& request, bool bound) const;

 private:
  DestinationTable destinations_;
  ProxySelection proxies_;
  std::size_t renegotiations_;
};

}  // namespace mtlspop::openssl
