#pragma once

/// @file
/// The reverse proxy of `serve`.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/exchange.hpp"
#include "gateway/upstream.hpp"
#include "mtlspop/transport/secret.hpp"
#include "mtlspop/transport/url.hpp"

namespace mtlspop::gateway {

/// One server behind the gateway, and who may be asked what of it.
struct ServedOrigin {
  /// Requests whose path is this one or below it go there, without it. "/" for all.
  std::string PathPrefix = "/";
  /// Requests with this host alone, "" for any.
  std::string Host{};
  /// "https://myvault.vault.azure.net".
  std::string Origin{};
  /// Whose tokens it takes, for example "https://vault.azure.net"; "" for what is known of the host.
  std::string Resource{};
  ManagedIdentityId Identity{};
  /// What is passed on; the rest is refused.
  std::vector<std::string> Methods = {"GET", "HEAD"};
};

/// `origin` with its gaps filled in.
/// @throw Error `invalid_argument` for one that is no https origin, has no known resource, a path with dot segments, or
/// methods that are not passed on
ServedOrigin Checked(ServedOrigin origin);

/// Sends the requests of this machine's programs on to a list of servers, each with a bound token. Whoever comes in may ask
/// what the list allows: where it goes and as whom is never taken from the request.
class ReverseProxy final : public Site {
 public:
  /// Which a client has to send over TCP, where anybody on this machine can connect.
  static constexpr std::string_view SecretField = "x-mtlspop-secret";

  /// @param origins as `Checked` gives them
  /// @param secret empty for a unix socket, whose listener looks at who connects
  /// @param authority as `Listener::Authority`, which `Host` has to be where it is neither "localhost" with its port nor the host
  /// of an origin; "" for a unix socket, where it may be anything
  ReverseProxy(std::shared_ptr<Upstream> road, std::vector<ServedOrigin> origins, Secret secret, std::string authority);

  void Handle(std::shared_ptr<Exchange> exchange) override;

 private:
  std::optional<Failure> RefusalOfCaller(RequestHead const& head) const;
  bool IsOurs(std::string const& host) const;
  struct Place {
    explicit Place(ServedOrigin origin);

    ServedOrigin Rules;
    Url Root;
  };

  Place const* PlaceFor(RequestHead const& head) const;

  std::shared_ptr<Upstream> const road_;
  std::vector<Place> const places_;
  Secret const secret_;
  std::string const authority_;
};

}  // namespace mtlspop::gateway
