#include "gateway/terminated_host.hpp"

#include <optional>
#include <utility>
#include <variant>

#include "gateway/passing_on.hpp"

namespace mtlspop::gateway {
namespace {

std::string AuthorityOf(std::string const& host, std::uint16_t port) {
  return port == 443 ? host : host + ":" + std::to_string(port);
}

// "Bearer" and what follows it, whatever its case (RFC 9110 section 11.1); empty for another scheme.
std::string_view BearerIn(std::string_view authorization) noexcept {
  constexpr std::string_view scheme = "bearer ";
  if (!EqualsIgnoreCase(authorization.substr(0, scheme.size()), scheme)) return {};
  auto token = authorization.substr(scheme.size());
  while (!token.empty() && token.front() == ' ') token.remove_prefix(1);
  return token;
}

Failure UnknownHandle() {
  Failure failure{
      401, "handle_unknown", "The request's handle was not given out by this gateway, or its time is over",
      "Ask the gateway's stand-in of the metadata service for a new one, as the SDK's managed identity credential "
      "does"};
  failure.Fields.Set("WWW-Authenticate", "Bearer error=\"invalid_token\"");
  return failure;
}

Failure ForeignAuthorization(std::string const& host) {
  return {
      403, "authorization_not_a_handle",
      "The request to " + host + " has an authorization of its own, which the gateway does not send on",
      "Use the SDK's managed identity credential, which gets handles from the gateway, or take the host off the list "
      "of "
      "hosts that the gateway answers for"};
}

Failure HandleForAnother(std::string const& host, std::string const& resource) {
  return {
      403, "handle_for_another_resource", "The request to " + host + " has a handle for " + resource,
      "Ask for a handle with the resource of the host, and see why the program mixes the two up"};
}

}  // namespace

TerminatedHost::TerminatedHost(std::shared_ptr<Termination const> shared, std::string host, std::uint16_t port)
    : shared_(std::move(shared)),
      host_(std::move(host)),
      port_(port),
      origin_("https://" + AuthorityOf(host_, port_)),
      url_(Url::Parse(origin_)) {}

void TerminatedHost::Handle(std::shared_ptr<Exchange> exchange) {
  auto const& head = exchange->Head();
  if (auto const refusal = RefusalToPassOn(head)) return exchange->Refuse(*refusal);
  if (!IsAuthority(head.Host, host_, port_) || head.Target.front() != '/') {
    return exchange->Refuse(
        {421, "host_mismatch", "The request is not for the host that the connection was made to, " + host_,
         "Make a connection of its own for each host"});
  }

  std::optional<HandleGrant> grant;
  if (head.Fields.Contains("Authorization")) {
    auto const handle = BearerIn(head.Fields.Get("Authorization"));
    if (!Handles::IsPartOf(handle)) return exchange->Refuse(ForeignAuthorization(host_));
    grant = shared_->Known->Find(handle, shared_->Time->Now());
    if (!grant) return exchange->Refuse(UnknownHandle());
    auto const* const rule = shared_->Rules.Find(host_, port_);
    if (rule == nullptr || !shared_->Rules.Takes(*rule, host_, grant->Resource)) {
      return exchange->Refuse(HandleForAnother(host_, grant->Resource));
    }
  }
  try {
    auto request = RequestFor(*exchange, url_.WithTarget(head.Target));
    exchange->SetOrigin(origin_);
    auto const patience = exchange->Patience();
    if (grant) {
      shared_->Road->SendBound(*grant, std::move(request), patience, PassBackTo(exchange));
    } else {
      shared_->Road->SendPlain(std::move(request), patience, PassBackTo(exchange));
    }
  } catch (std::exception const&) {
    exchange->Fail(std::current_exception());
  }
}

}  // namespace mtlspop::gateway
