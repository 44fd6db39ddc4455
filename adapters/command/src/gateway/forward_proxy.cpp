#include "gateway/forward_proxy.hpp"

#include <charconv>
#include <optional>
#include <utility>

#include "gateway/random_secret.hpp"
#include "mtlspop/base/encoding.hpp"

namespace mtlspop::gateway {
namespace {

Failure CredentialsMissing() {
  auto failure = ClosingFailure(
      407, "proxy_credentials_required",
      "The gateway serves the program that it was started for, and this request does not show the secret of that run",
      "Take the proxy's address from HTTPS_PROXY as mtlspop has set it, with its user name and password");
  failure.Fields.Set("Proxy-Authenticate", "Basic realm=\"mtlspop\"");
  return failure;
}

Failure OnlyConnect() {
  return ClosingFailure(
      405, "method_not_allowed", "The gateway is a proxy for https alone, and takes no other request than CONNECT",
      "Use https URLs, and set HTTPS_PROXY but not HTTP_PROXY");
}

Failure TargetUnusable() {
  return ClosingFailure(
      400, "connect_target_invalid", "The CONNECT request does not name a host and a port",
      "Send \"CONNECT host:port HTTP/1.1\" without a Transfer-Encoding");
}

struct Destination {
  std::string Host;
  std::uint16_t Port = 0;
};

// The authority form (RFC 9112 section 3.2.3); an IPv6 address in brackets.
std::optional<Destination> DestinationIn(std::string_view target) {
  auto const colon = target.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  Destination found{std::string{target.substr(0, colon)}, 0};
  auto const digits = target.substr(colon + 1);
  auto const [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), found.Port);
  if (problem != std::errc{} || end != digits.data() + digits.size() || found.Port == 0) return std::nullopt;
  bool const isBracketed = found.Host.size() > 2 && found.Host.front() == '[' && found.Host.back() == ']';
  if (isBracketed) found.Host = found.Host.substr(1, found.Host.size() - 2);
  bool const isPlain = found.Host.find_first_of(isBracketed ? "[]@/?" : "[]@/?:") == std::string::npos;
  if (found.Host.empty() || found.Host.size() > 255 || !isPlain) return std::nullopt;
  return found;
}

}  // namespace

ForwardProxy::ForwardProxy(
    Loops& loops,
    Secret const& password,
    std::shared_ptr<Termination const> termination,
    std::shared_ptr<Authority> authority,
    std::shared_ptr<TunnelSettings const> tunnels)
    : loops_(loops),
      credentials_(std::string{UserName} + ":" + std::string{password.Reveal()}),
      termination_(std::move(termination)),
      authority_(std::move(authority)),
      tunnels_(std::move(tunnels)) {}

void ForwardProxy::Handle(std::shared_ptr<Exchange> exchange) {
  auto const& head = exchange->Head();
  if (!IsAllowed(head)) return exchange->Refuse(CredentialsMissing());
  if (head.Method != "CONNECT") return exchange->Refuse(OnlyConnect());
  auto const destination = DestinationIn(head.Target);
  if (!destination || head.HasBody()) return exchange->Refuse(TargetUnusable());

  auto const host = NormalHost(destination->Host);
  if (termination_->Rules.Find(host, destination->Port) != nullptr) {
    return Terminate(*exchange, host, destination->Port);
  }
  try {
    auto const loop = loops_.Here();
    OpenTunnel(loops_.At(loop), loops_.TasksAt(loop), exchange, destination->Host, destination->Port, tunnels_);
  } catch (std::exception const&) {
    exchange->Fail(std::current_exception());
  }
}

bool ForwardProxy::IsAllowed(RequestHead const& head) const {
  constexpr std::string_view scheme = "Basic ";
  auto const fields = head.Fields.GetAll("Proxy-Authorization");
  if (fields.size() != 1 || !EqualsIgnoreCase(fields.front().substr(0, scheme.size()), scheme)) return false;
  auto bytes = encoding::FromBase64(fields.front().substr(scheme.size()));
  if (!bytes) return false;
  Secret const shown{std::string{bytes->begin(), bytes->end()}};
  Cleanse(bytes->data(), bytes->size());
  return EqualInConstantTime(shown.Reveal(), credentials_.Reveal());
}

void ForwardProxy::Terminate(Exchange& exchange, std::string const& host, std::uint16_t port) {
  try {
    exchange.BecomeTls(authority_->ContextFor(host), std::make_shared<TerminatedHost>(termination_, host, port));
  } catch (std::exception const&) {
    exchange.Fail(std::current_exception());
  }
}

}  // namespace mtlspop::gateway
