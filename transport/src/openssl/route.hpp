#pragma once

/// @file
/// The way from here to an origin: directly, to another place by an override, or through a proxy.

#include <memory>
#include <string>

#include "destination.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/proxy_selection.hpp"
#include "openssl/http1_exchange.hpp"
#include "openssl/tls_channel.hpp"

namespace mtlspop::openssl {

/// The way of one request. Borrows from its `RouteTable` and its request.
class Route final {
 public:
  Route(Origin const& origin, std::string host, std::uint16_t port, Proxy const* proxy, TlsVersion maximumVersion)
      : origin_(&origin), host_(std::move(host)), port_(port), proxy_(proxy), maximumVersion_(maximumVersion) {}

  bool UsesTls() const noexcept { return origin_->IsHttps(); }
  RequestForm Form() const noexcept;
  std::string ProxyText() const { return proxy_ != nullptr ? proxy_->Address.ToString() : std::string{}; }
  std::string Name() const { return origin_->HostAndPort(); }

  /// Null where the way is a direct one.
  Proxy const* Through() const noexcept { return proxy_; }
  /// What is connected to where it is.
  std::string const& Host() const noexcept { return host_; }
  std::uint16_t Port() const noexcept { return port_; }
  std::string const& OriginHost() const noexcept { return origin_->Host; }
  /// Of the handshake with the origin.
  TlsChannel::Options Tls() const;

 private:
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
