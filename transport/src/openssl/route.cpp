#include "openssl/route.hpp"

#include <cstdlib>
#include <utility>

#include <gsl/util>

#include "openssl/dial.hpp"
#include "mtlspop/base/environment_variable.hpp"

namespace mtlspop::openssl {
namespace {

[[noreturn]] void ThrowProxy(
    ErrorCode code, Proxy const& proxy, std::string const& what, std::string action, int status = 0) {
  ErrorDetails details{code, "The proxy " + proxy.Address.HostAndPort() + " " + what, std::move(action)};
  details.NothingSent = true;
  details.HttpStatus = status;
  throw Error{std::move(details)};
}

void WriteAll(Connection& connection, std::string const& text, Waiter& waiter) {
  gsl::span<std::uint8_t const> bytes{reinterpret_cast<std::uint8_t const*>(text.data()), text.size()};
  while (!bytes.empty()) {
    auto const result = connection.TryWrite(bytes);
    if (result.Status == IoStatus::Done) {
      bytes = bytes.subspan(result.Count);
    } else if (Waits(result.Status)) {
      connection.Wait(result.Status, waiter);
    } else {
      throw Error{connection.Describe(result.Status, "asking the proxy for a tunnel")};
    }
  }
  connection.Flush(waiter);
}

/// The status of the proxy's answer. Its header is taken off the connection.
int ReadTunnelAnswer(Connection& connection, TransportLimits const& limits, Waiter& waiter) {
  // The answer to CONNECT has no body when it is a success, and nobody reads it otherwise (RFC 9110 section 9.3.6).
  Http1Parser parser{limits, "CONNECT"};
  std::size_t informational = 0;
  for (;;) {
    auto& input = connection.Input();
    // Nothing of the origin's can be among these bytes: a TLS server waits for the client to speak first.
    auto const result = connection.TryRead(input.Room(1024));
    if (result.Status == IoStatus::Done) {
      input.Added(result.Count);
      while (auto const used = parser.ParseHead(input.Unused())) {
        input.Consume(used);
        if (!parser.IsInformational()) {
          return parser.StatusCode();
        }
        if (++informational > limits.InformationalResponses) {
          throw Error{ErrorDetails{
              errors::InformationalLimitExceeded, "The proxy sends informational answers without end",
              "Look at the proxy; if it needs them, raise TransportLimits::InformationalResponses"}};
        }
        parser = Http1Parser{limits, "CONNECT"};
      }
    } else if (Waits(result.Status)) {
      connection.Wait(result.Status, waiter);
    } else {
      auto const gone = result.Status == IoStatus::Closed ? IoStatus::Lost : result.Status;
      throw Error{connection.Describe(gone, "waiting for the proxy's tunnel")};
    }
  }
}

}  // namespace

std::unique_ptr<Connection> Route::Connect(
    TlsContexts& contexts,
    std::shared_ptr<TlsContext> const& tls,
    TransportLimits const& limits,
    Waiter& waiter) const {
  auto connection = proxy_ == nullptr ? ConnectDirectly(tls, waiter) : ConnectThroughProxy(contexts, limits, waiter);
  if (tls) {
    if (proxy_ != nullptr) {
      connection->AddTls(tls, Tls());
    }
    waiter.Describe("The TLS handshake");
    connection->ShakeHands(waiter);
  }
  return connection;
}

/// The handshake begins before there is a connection, so that its first message goes out without delay.
std::unique_ptr<Connection> Route::ConnectDirectly(std::shared_ptr<TlsContext> const& tls, Waiter& waiter) const {
  auto const addresses = Resolve(host_, port_, waiter);
  auto connection = std::make_unique<Connection>(origin_->Host);
  if (tls) {
    connection->AddTls(tls, Tls());
  }
  connection->Attach(Dial(addresses, host_ + ":" + std::to_string(port_), waiter));
  return connection;
}

std::unique_ptr<Connection> Route::ConnectThroughProxy(
    TlsContexts& contexts, TransportLimits const& limits, Waiter& waiter) const {
  auto const& address = proxy_->Address;
  auto const addresses = Resolve(address.Host, address.Port, waiter);
  auto connection = std::make_unique<Connection>(address.Host);
  connection->Attach(Dial(addresses, address.HostAndPort(), waiter));
  try {
    if (address.IsHttps()) {
      // Never with a binding: the certificate is for the origin.
      connection->AddTls(
          contexts.For(nullptr),
          {"proxy " + address.ToString(), address.Host, TlsVersion::Tls13, limits.Renegotiations});
      connection->ShakeHands(waiter);
    }
    if (UsesTls()) {
      OpenTunnel(*connection, limits, waiter);
    }
  } catch (Error const& error) {
    bool const own = error.Code() == errors::Cancelled || error.Code() == errors::DeadlineExceeded ||
                     error.Code() == errors::ProxyFailed || error.Code() == errors::ProxyAuthenticationRequired;
    if (own) {
      throw;
    }
    ThrowProxy(errors::ProxyFailed, *proxy_, "did not open the way: " + error.Details().What, error.Details().Action);
  }
  return connection;
}

void Route::OpenTunnel(Connection& connection, TransportLimits const& limits, Waiter& waiter) const {
  auto const target = origin_->HostAndPort();
  std::string head = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n";
  if (!proxy_->Authorization.Empty()) {
    // In one piece: growing would leave a copy of the credentials behind in freed memory.
    head.reserve(head.size() + proxy_->Authorization.Reveal().size() + 32);
    head.append("Proxy-Authorization: ").append(proxy_->Authorization.Reveal()).append("\r\n");
  }
  head += "\r\n";
  waiter.Describe("Opening the proxy's tunnel");
  {
    auto const cleanse = gsl::finally([&head] { Cleanse(head); });
    WriteAll(connection, head, waiter);
  }
  int const status = ReadTunnelAnswer(connection, limits, waiter);
  if (status == 407) {
    ThrowProxy(
        errors::ProxyAuthenticationRequired, *proxy_,
        proxy_->Authorization.Empty() ? "wants credentials" : "refuses the credentials",
        "Give a user name and a password for it, in ProxyOptions or in the proxy's URL; Basic is the one scheme "
        "supported",
        status);
  }
  if (status / 100 != 2) {
    ThrowProxy(
        errors::ProxyFailed, *proxy_, "refuses a tunnel to " + target + " with status " + std::to_string(status),
        "Check the proxy's rules, or put the host on NO_PROXY", status);
  }
  if (!connection.Input().Empty()) {
    ThrowProxy(
        errors::ProxyFailed, *proxy_, "sent bytes of its own into the tunnel",
        "Look at the proxy; it does not do what a tunnel has to do (RFC 9110 section 9.3.6)");
  }
}

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
  return {forwarded, forwarded ? &proxy_->Authorization : nullptr};
}

RouteTable::RouteTable(TransportOptions const& options)
    : destinations_(options),
      proxies_(options.Proxy, &ReadEnvironmentVariable),
      renegotiations_(options.Limits.Renegotiations) {}

Route RouteTable::For(Request const& request, bool bound) const {
  auto const& origin = request.Target.GetOrigin();
  auto destination = destinations_.For(origin, bound);
  auto const* const proxy = destination.IsOverridden || request.NeverProxied ? nullptr : proxies_.For(origin);
  Route route{origin, std::move(destination.Host), destination.Port, proxy, destination.MaximumVersion};
  route.renegotiations_ = renegotiations_;
  return route;
}

}  // namespace mtlspop::openssl
