#include "openssl/connecting.hpp"

#include <utility>

namespace mtlspop::openssl {

Connecting::Connecting(
    Route const& route,
    TlsContexts& contexts,
    std::shared_ptr<TlsContext> tls,
    TransportLimits const& limits,
    Driver& driver)
    : route_(route), contexts_(contexts), tls_(std::move(tls)), limits_(limits) {
  auto const* const proxy = route_.Through();
  resolution_.emplace(
      proxy != nullptr ? proxy->Address.Host : route_.Host(), proxy != nullptr ? proxy->Address.Port : route_.Port(),
      driver);
}

Step Connecting::Advance() {
  while (stage_ != Stage::Ready) {
    auto const step = Try();
    if (step.For != Awaits::Nothing) {
      return step;
    }
  }
  return {};
}

Step Connecting::Try() {
  switch (stage_) {
    case Stage::Resolve:
    case Stage::Dial:
      return route_.Through() != nullptr ? ReachProxy() : Reach();
    case Stage::BeginHandshake:
      return BeginHandshake();
    case Stage::Handshake:
      return ShakeHands();
    case Stage::ProxyHandshake:
    case Stage::Tunnel:
    case Stage::Ready:
      break;
  }
  try {
    return stage_ == Stage::ProxyHandshake ? ShakeHandsWithProxy() : OpenTunnel();
  } catch (Error const& error) {
    if (error.Code() == errors::ProxyFailed || error.Code() == errors::ProxyAuthenticationRequired) {
      throw;
    }
    ThrowProxy(
        errors::ProxyFailed, *route_.Through(), "did not open the way: " + error.Details().What,
        error.Details().Action);
  }
}

Step Connecting::Reach() { return stage_ == Stage::Resolve ? Resolve() : Dial(); }

/// Whoever is told that a host cannot be reached looks for the fault there, and not at the proxy before it.
Step Connecting::ReachProxy() {
  try {
    return Reach();
  } catch (Error const& error) {
    if (error.Code() != errors::NameResolutionFailed && error.Code() != errors::ConnectFailed) {
      throw;
    }
    auto const& proxy = *route_.Through();
    auto details = error.Details();
    details.What =
        "The proxy " + proxy.Name() + " on the way to " + route_.Name() + " cannot be reached: " + details.What;
    details.Action = "Correct the proxy in " + std::string{proxy.Source} +
                     ", or put the host on NO_PROXY where it is to be reached directly";
    throw Error{std::move(details)};
  }
}

Step Connecting::Resolve() {
  auto addresses = resolution_->TryTake();
  if (!addresses) {
    return {Awaits::Wake, {}, Context::TimePoint::max(), Resolution::What};
  }
  resolution_.reset();
  auto const* const proxy = route_.Through();
  race_.emplace(
      std::move(*addresses),
      proxy != nullptr ? proxy->Address.HostAndPort() : route_.Host() + ":" + std::to_string(route_.Port()));
  connection_ = std::make_unique<Connection>(proxy != nullptr ? proxy->Address.Host : route_.OriginHost());
  if (tls_ && proxy == nullptr) {
    // The handshake begins before there is a connection, so that its first message goes out without delay.
    connection_->AddTls(tls_, route_.Tls());
  }
  stage_ = Stage::Dial;
  return {};
}

Step Connecting::Dial() {
  auto const step = race_->Advance();
  if (step.For != Awaits::Nothing) {
    return step;
  }
  connection_->Attach(race_->Take());
  race_.reset();
  if (route_.Through() != nullptr) {
    stage_ = Stage::ProxyHandshake;
  } else {
    stage_ = tls_ ? Stage::Handshake : Stage::Ready;
  }
  return {};
}

Step Connecting::ShakeHandsWithProxy() {
  auto const& proxy = *route_.Through();
  if (proxy.Address.IsHttps()) {
    if (!connection_->HasTls()) {
      // Never with a binding: the certificate is for the origin.
      connection_->AddTls(
          contexts_.For(nullptr),
          {"proxy " + proxy.Address.ToString(), proxy.Address.Host, TlsVersion::Tls13, limits_.Renegotiations});
    }
    auto const step = connection_->ShakeHands();
    if (step.For != Awaits::Nothing) {
      return step;
    }
  }
  if (tls_) {
    tunnel_.emplace(*connection_, proxy, route_.Name(), limits_);
  }
  stage_ = tls_ ? Stage::Tunnel : Stage::Ready;
  return {};
}

Step Connecting::OpenTunnel() {
  auto const step = tunnel_->Advance();
  if (step.For == Awaits::Nothing) {
    tunnel_.reset();
    stage_ = Stage::BeginHandshake;
  }
  return step;
}

Step Connecting::BeginHandshake() {
  connection_->AddTls(tls_, route_.Tls());
  stage_ = Stage::Handshake;
  return {};
}

Step Connecting::ShakeHands() {
  auto const step = connection_->ShakeHands();
  stage_ = step.For == Awaits::Nothing ? Stage::Ready : stage_;
  return step;
}

}  // namespace mtlspop::openssl
