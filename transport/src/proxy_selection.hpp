#pragma once

/// @file
/// Which proxy a request goes through, as curl decides it.

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop {

/// A proxy to go through.
struct Proxy {
  Origin Address;
  /// The value of Proxy-Authorization (RFC 7617); empty where the proxy needs none.
  Secret Authorization;
  /// Who named it: "ProxyOptions::Url", or the environment variable's name.
  char const* Source = "";

  /// For messages: "proxy.example:3128 (https_proxy)".
  std::string Name() const { return Address.HostAndPort() + " (" + Source + ")"; }
};

/// Decides for each origin. Read once, when the transport is made.
///
/// Thread safety: immutable.
class ProxySelection final {
 public:
  /// The value of an environment variable, null where it is not set.
  using Environment = std::function<char const*(char const* name)>;

  /// @throw Error `invalid_argument` for a proxy URL in `options` that cannot be used
  ProxySelection(ProxyOptions const& options, Environment const& environment);

  /// Null for a direct connection. Good for as long as this object lives.
  /// @throw Error `invalid_argument` where the environment names a proxy for `origin` that cannot be used
  Proxy const* For(Origin const& origin) const;

 private:
  /// A proxy, none, or why it cannot be used: an error for those requests alone that would go through it.
  struct Setting {
    std::optional<Proxy> Usable;
    std::optional<Error> Unusable;
  };
  static Setting FromEnvironment(Environment const& environment, std::initializer_list<char const*> names);

  Setting forHttps_;
  Setting forHttp_;
  std::vector<std::string> direct_;
};

/// Whether a host is on a `NO_PROXY` list: "*" for all, names with everything below them, addresses, and networks as
/// "10.0.0.0/8".
bool IsDirect(std::vector<std::string> const& list, std::string_view host);

/// Splits a `NO_PROXY` list at commas and blanks.
std::vector<std::string> SplitNoProxy(std::string_view text);

}  // namespace mtlspop
