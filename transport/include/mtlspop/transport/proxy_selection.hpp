#pragma once

/// @file
/// Which proxy a request goes through, as curl decides it. Transports ask this themselves; it is here for whoever makes connections
/// beside them that are to take the same way, a proxy of one's own for example.

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/secret.hpp"
#include "mtlspop/transport/url.hpp"

namespace mtlspop {

/// A proxy to go through.
struct Proxy {
  /// Where it is, and by its scheme whether TLS is spoken with it.
  Origin Address;
  /// The value of Proxy-Authorization (RFC 7617); empty where the proxy needs none.
  Secret Authorization;
  /// Who named it: "ProxyOptions::Url", or the environment variable's name.
  char const* Source = "";

  /// For messages: "proxy.example:3128 (https_proxy)".
  std::string Name() const { return Address.HostAndPort() + " (" + Source + ")"; }
};

/// Decides for each origin. Read once, when it is made.
///
/// Thread safety: immutable.
class MTLSPOP_EXPORT ProxySelection final {
 public:
  /// The value of an environment variable, null where it is not set.
  using Environment = std::function<char const*(char const* name)>;

  /// By this process's environment, where `options` have it read.
  /// @throw Error `invalid_argument` for a proxy URL in `options` that cannot be used
  explicit ProxySelection(ProxyOptions const& options);
  /// By another environment.
  /// @throw Error `invalid_argument` for a proxy URL in `options` that cannot be used
  ProxySelection(ProxyOptions const& options, Environment const& environment);

  /// Null for a direct connection. Good for as long as this object lives.
  /// @throw Error `invalid_argument` where the environment names a proxy for `origin` that cannot be used
  Proxy const* For(Origin const& origin) const;

 private:
  /// @cond
  /// A proxy, none, or why it cannot be used: an error for those requests alone that would go through it.
  struct Setting {
    std::optional<Proxy> Usable;
    std::optional<Error> Unusable;
  };
  /// @endcond
  static Setting FromEnvironment(Environment const& environment, std::initializer_list<char const*> names);

  Setting forHttps_;
  Setting forHttp_;
  std::vector<std::string> direct_;
};

}  // namespace mtlspop
