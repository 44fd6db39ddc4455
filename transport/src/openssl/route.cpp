#include "openssl/route.hpp"

#include <utility>

namespace mtlspop::openssl {

TlsChannel::Options Route::Tls() const {
  // A session is of one way, as a connection is: what was negotiated through a proxy is not resumed past it.
  auto peer = origin_->ToString();
  if (proxy_ != nullptr) {
    peer.append(" through ").append(ProxyText());
  }
  return {std::move(peer), origin_->Host, maximumVersion_, renegotiations_};
}

RequestForm Route::Form() const noexcept {
  bool const forwarded = proxy_ != nullptr && !UsesTls();
  return {forwarded, forwarded ? &proxy_->Authorization : nullptr, std::nullopt};
}

RouteTable::RouteTable(TransportOptions const& options)
    : destinations_(options), proxies_(options.Proxy), renegotiations_(options.Limits.Renegotiations) {}

Route RouteTable::For(Request const& request, bool bound) const {
  auto const& origin = request.Target.GetOrigin();
  auto destination = destinations_.For(origin, bound);
  auto const* const proxy = destination.IsOverridden || request.NeverProxied ? nullptr : proxies_.For(origin);
  Route route{origin, std::move(destination.Host), destination.Port, proxy, destination.MaximumVersion};
  route.renegotiations_ = renegotiations_;
  return route;
}

}  // namespace mtlspop::openssl
