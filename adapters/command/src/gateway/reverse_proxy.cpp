#include "gateway/reverse_proxy.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "gateway/host_rules.hpp"
#include "gateway/passing_on.hpp"
#include "gateway/random_secret.hpp"
#include "mtlspop/transport/redact.hpp"
#include "mtlspop/transport/url.hpp"

namespace mtlspop::gateway {
namespace {

[[noreturn]] void RefuseOrigin(ServedOrigin const& origin, std::string const& why) {
  throw Error{
      {errors::InvalidArgument, "The gateway cannot serve \"" + Redact(origin.Origin) + "\": " + why,
       "Write an origin as in https://myvault.vault.azure.net, with a resource where it is none of Azure's known "
       "hosts"}};
}

std::string_view PathOf(std::string_view target) noexcept { return target.substr(0, target.find('?')); }

// "." and ".." as they are and with %-escapes: which server they lead to would be decided twice, here and there.
bool HasDotSegment(std::string_view path) {
  bool const isPlain =
      std::none_of(path.begin(), path.end(), [](char letter) { return letter == '.' || letter == '%'; });
  if (isPlain) return false;
  while (!path.empty()) {
    auto const slash = path.find('/');
    std::string segment{path.substr(0, slash)};
    for (auto at = segment.find('%'); at != std::string::npos; at = segment.find('%', at + 1)) {
      auto const escape = segment.substr(at, 3);
      if (escape == "%2e" || escape == "%2E") segment.replace(at, 3, ".");
      if (EqualsIgnoreCase(escape, "%2f") || EqualsIgnoreCase(escape, "%5c")) return true;
    }
    if (segment == "." || segment == "..") return true;
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
  }
  return false;
}

bool IsBelow(std::string_view path, std::string_view prefix) noexcept {
  if (prefix == "/") return !path.empty() && path.front() == '/';
  return path.substr(0, prefix.size()) == prefix && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

std::string TargetBelow(std::string const& target, std::string const& prefix) {
  if (prefix == "/") return target;
  auto rest = target.substr(prefix.size());
  return rest.empty() || rest.front() != '/' ? "/" + rest : rest;
}

std::string WithoutPort(std::string const& host) { return NormalHost(host.substr(0, host.rfind(':'))); }

}  // namespace

ServedOrigin Checked(ServedOrigin origin) {
  auto const url = Url::Parse(origin.Origin);
  auto const host = NormalHost(url.Host());
  if (!url.IsHttps() || url.Target() != "/") RefuseOrigin(origin, "it is no https origin without a path");
  if (host.empty()) RefuseOrigin(origin, "its host is an address");
  if (origin.Resource.empty()) {
    auto const rules = HostRules{AzureHostRules()};
    auto const* const rule = rules.Find(host, url.Port());
    if (rule == nullptr) RefuseOrigin(origin, "whose tokens it takes is not known");
    origin.Resource = rule->Resources.front();
  }
  origin.Resource = NormalResource(origin.Resource);
  if (origin.Resource.empty()) RefuseOrigin(origin, "its resource is none");
  origin.Origin = "https://" + url.HostHeader();

  auto& prefix = origin.PathPrefix;
  while (prefix.size() > 1 && prefix.back() == '/') prefix.pop_back();
  if (prefix.empty() || prefix.front() != '/' || prefix.find_first_of("?#%\\ ") != std::string::npos ||
      HasDotSegment(prefix)) {
    RefuseOrigin(origin, "its path is none");
  }
  if (!origin.Host.empty() && (origin.Host = NormalHost(origin.Host)).empty())
    RefuseOrigin(origin, "its host name is none");
  for (auto const& method : origin.Methods) {
    RequestHead head;
    head.Method = method;
    if (RefusalToPassOn(head)) RefuseOrigin(origin, "the method " + method + " is not passed on");
  }
  return origin;
}

ReverseProxy::Place::Place(ServedOrigin origin) : Rules(std::move(origin)), Root(Url::Parse(Rules.Origin)) {}

ReverseProxy::ReverseProxy(
    std::shared_ptr<Upstream> road, std::vector<ServedOrigin> origins, Secret secret, std::string authority)
    : road_(std::move(road)),
      places_(std::make_move_iterator(origins.begin()), std::make_move_iterator(origins.end())),
      secret_(std::move(secret)),
      authority_(std::move(authority)) {}

void ReverseProxy::Handle(std::shared_ptr<Exchange> exchange) {
  auto const& head = exchange->Head();
  if (auto const refusal = RefusalOfCaller(head)) return exchange->Refuse(*refusal);
  if (auto const refusal = RefusalToPassOn(head)) return exchange->Refuse(*refusal);
  auto const* const place = PlaceFor(head);
  if (place == nullptr) {
    return exchange->Refuse(
        {404, "no_such_origin", "The gateway serves nothing under this path and host",
         "See the list of origins in its configuration"});
  }
  auto const& rules = place->Rules;
  try {
    exchange->SetOrigin(rules.Origin);
    if (std::find(rules.Methods.begin(), rules.Methods.end(), head.Method) == rules.Methods.end()) {
      return exchange->Refuse(
          {405, "method_not_allowed", "The gateway does not pass on " + head.Method + " to " + rules.Origin,
           "Allow the method for this origin in the gateway's configuration, where programs are to use it"});
    }
    auto request = RequestFor(*exchange, place->Root.WithTarget(TargetBelow(head.Target, rules.PathPrefix)));
    request->Fields.Remove(SecretField);
    auto const patience = exchange->Patience();
    road_->SendBound({rules.Resource, rules.Identity}, std::move(request), patience, PassBackTo(exchange));
  } catch (std::exception const&) {
    exchange->Fail(std::current_exception());
  }
}

std::optional<Failure> ReverseProxy::RefusalOfCaller(RequestHead const& head) const {
  auto const secrets = head.Fields.GetAll(SecretField);
  bool const isKnown =
      secret_.Empty() || (secrets.size() == 1 && EqualInConstantTime(secrets.front(), secret_.Reveal()));
  if (!isKnown) {
    Failure failure{
        401, "secret_required", "The gateway serves programs that know its secret, and this request does not show it",
        "Send the secret in the field x-mtlspop-secret, or use the gateway's unix socket"};
    failure.Fields.Set("WWW-Authenticate", "x-mtlspop-secret");
    // A stranger keeps no place.
    failure.Closes = true;
    return failure;
  }
  if (!IsOurs(head.Host)) {
    return Failure{
        403, "host_mismatch", "The request's Host is another than the gateway's",
        "Call it by its loopback address, or by the host of an origin that it serves"};
  }
  if (head.Fields.Contains("Origin")) {
    return Failure{403, "browser_refused", "The request comes from a web page", "See what page it was"};
  }
  if (head.Fields.Contains("Authorization")) {
    return Failure{
        403, "authorization_refused",
        "The request has an authorization of its own, in place of which the gateway sends a bound token",
        "Leave the Authorization field out"};
  }
  if (head.Target.front() != '/' || HasDotSegment(PathOf(head.Target))) {
    return Failure{
        400, "path_refused", "The request's path is none, or has dot segments", "Send the path that is meant"};
  }
  return std::nullopt;
}

// No name that somebody else points at this machine (DNS rebinding): those of its origins are the user's.
bool ReverseProxy::IsOurs(std::string const& host) const {
  if (authority_.empty() || host == authority_) return true;
  if (EqualsIgnoreCase(host, "localhost" + authority_.substr(authority_.rfind(':')))) return true;
  auto const name = WithoutPort(host);
  return !name.empty() &&
         std::any_of(places_.begin(), places_.end(), [&](auto const& each) { return each.Rules.Host == name; });
}

ReverseProxy::Place const* ReverseProxy::PlaceFor(RequestHead const& head) const {
  Place const* found = nullptr;
  auto const path = PathOf(head.Target);
  auto const host = WithoutPort(head.Host);
  for (auto const& place : places_) {
    auto const& rules = place.Rules;
    bool const matches = IsBelow(path, rules.PathPrefix) && (rules.Host.empty() || rules.Host == host);
    bool const isCloser = found == nullptr || rules.PathPrefix.size() > found->Rules.PathPrefix.size() ||
                          (rules.PathPrefix.size() == found->Rules.PathPrefix.size() && found->Rules.Host.empty());
    if (matches && isCloser) found = &place;
  }
  return found;
}

}  // namespace mtlspop::gateway
