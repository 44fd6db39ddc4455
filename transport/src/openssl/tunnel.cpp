#include "openssl/tunnel.hpp"

#include <utility>

namespace mtlspop::openssl {
namespace {

constexpr char const* What = "Opening the proxy's tunnel";

}  // namespace

void ThrowProxy(ErrorCode code, Proxy const& proxy, std::string const& what, std::string action, int status) {
  ErrorDetails details{code, "The proxy " + proxy.Name() + " " + what, std::move(action)};
  details.NothingSent = true;
  details.HttpStatus = status;
  throw Error{std::move(details)};
}

// The answer to CONNECT has no body when it is a success, and nobody reads it otherwise (RFC 9110 section 9.3.6).
Tunnel::Tunnel(Connection& connection, Proxy const& proxy, std::string target, TransportLimits const& limits)
    : connection_(connection),
      proxy_(proxy),
      target_(std::move(target)),
      limits_(limits),
      head_("CONNECT " + target_ + " HTTP/1.1\r\nHost: " + target_ + "\r\n"),
      parser_(limits, "CONNECT") {
  if (!proxy_.Authorization.Empty()) {
    // In one piece: growing would leave a copy of the credentials behind in freed memory.
    head_.reserve(head_.size() + proxy_.Authorization.Reveal().size() + 32);
    head_.append("Proxy-Authorization: ").append(proxy_.Authorization.Reveal()).append("\r\n");
  }
  head_ += "\r\n";
}

Tunnel::~Tunnel() { Cleanse(head_); }

Step Tunnel::Advance() {
  auto const asking = Ask();
  return asking.For == Awaits::Nothing ? ReadAnswer() : asking;
}

Step Tunnel::Ask() {
  while (sent_ < head_.size()) {
    auto const result =
        connection_.TryWrite({reinterpret_cast<std::uint8_t const*>(head_.data()) + sent_, head_.size() - sent_});
    if (result.Status == IoStatus::Done) {
      sent_ += result.Count;
    } else if (Waits(result.Status)) {
      return connection_.Await(result.Status, What);
    } else {
      throw Error{connection_.Describe(result.Status, "asking the proxy for a tunnel")};
    }
  }
  Cleanse(head_);
  head_.clear();
  sent_ = 0;
  auto const flushed = connection_.TryFlush();
  if (Waits(flushed)) {
    return connection_.Await(flushed, What);
  }
  if (flushed != IoStatus::Done) {
    throw Error{connection_.Describe(flushed, "sending")};
  }
  return {};
}

Step Tunnel::ReadAnswer() {
  for (;;) {
    auto& input = connection_.Input();
    // Nothing of the origin's can be among these bytes: a TLS server waits for the client to speak first.
    auto const result = connection_.TryRead(input.Room(1024));
    if (result.Status == IoStatus::Done) {
      input.Added(result.Count);
      if (LookForHead()) {
        Judge();
        return {};
      }
    } else if (Waits(result.Status)) {
      return connection_.Await(result.Status, What);
    } else {
      auto const gone = result.Status == IoStatus::Closed ? IoStatus::Lost : result.Status;
      throw Error{connection_.Describe(gone, "waiting for the proxy's tunnel")};
    }
  }
}

/// Whether the header of the proxy's answer is complete. It is taken off the connection.
bool Tunnel::LookForHead() {
  auto& input = connection_.Input();
  while (auto const used = parser_.ParseHead(input.Unused())) {
    input.Consume(used);
    if (!parser_.IsInformational()) {
      return true;
    }
    if (++informational_ > limits_.InformationalResponses) {
      throw Error{ErrorDetails{
          errors::InformationalLimitExceeded, "The proxy sends informational answers without end",
          "Look at the proxy; if it needs them, raise TransportLimits::InformationalResponses"}};
    }
    parser_ = Http1Parser{limits_, "CONNECT"};
  }
  return false;
}

void Tunnel::Judge() const {
  int const status = parser_.StatusCode();
  if (status == 407) {
    ThrowProxy(
        errors::ProxyAuthenticationRequired, proxy_,
        proxy_.Authorization.Empty() ? "wants credentials" : "refuses the credentials",
        "Give a user name and a password for it, in ProxyOptions or in the proxy's URL; Basic is the one scheme "
        "supported",
        status);
  }
  if (status / 100 != 2) {
    ThrowProxy(
        errors::ProxyFailed, proxy_, "refuses a tunnel to " + target_ + " with status " + std::to_string(status),
        "Check the proxy's rules, or put the host on NO_PROXY", status);
  }
  if (!connection_.Input().Empty()) {
    ThrowProxy(
        errors::ProxyFailed, proxy_, "sent bytes of its own into the tunnel",
        "Look at the proxy; it does not do what a tunnel has to do (RFC 9110 section 9.3.6)");
  }
}

}  // namespace mtlspop::openssl
