#pragma once

/// @file
/// The forward proxy of `run`.

#include <memory>
#include <string>

#include "gateway/authority.hpp"
#include "gateway/exchange.hpp"
#include "gateway/loops.hpp"
#include "gateway/terminated_host.hpp"
#include "gateway/tunnel.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop::gateway {

/// Takes CONNECT, and nothing else, from whoever shows the secret of this run (RFC 7617). Hosts on the list are answered for
/// by the gateway; connections to all others pass through as they are, by the way out that `tunnels` have.
class ForwardProxy final : public Site {
 public:
  /// The user name that goes with the secret.
  static constexpr std::string_view UserName = "mtlspop";

  ForwardProxy(
      Loops& loops,
      Secret const& password,
      std::shared_ptr<Termination const> termination,
      std::shared_ptr<Authority> authority,
      std::shared_ptr<TunnelSettings const> tunnels);

  void Handle(std::shared_ptr<Exchange> exchange) override;

 private:
  bool IsAllowed(RequestHead const& head) const;
  void Terminate(Exchange& exchange, std::string const& host, std::uint16_t port);

  Loops& loops_;
  Secret const credentials_;
  std::shared_ptr<Termination const> const termination_;
  std::shared_ptr<Authority> const authority_;
  std::shared_ptr<TunnelSettings const> const tunnels_;
};

}  // namespace mtlspop::gateway
