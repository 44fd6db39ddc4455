#pragma once

/// @file
/// A host that the gateway answers for, as the program sees it behind CONNECT.

#include <memory>
#include <string>

#include "gateway/exchange.hpp"
#include "gateway/handles.hpp"
#include "gateway/host_rules.hpp"
#include "gateway/upstream.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/url.hpp"

namespace mtlspop::gateway {

/// What all hosts share.
struct Termination {
  HostRules Rules;
  std::shared_ptr<Handles> Known;
  std::shared_ptr<Upstream> Road;
  std::shared_ptr<Clock> Time = SystemClock();
};

/// Sends requests on to one host. One with a handle goes with the bound token that the handle stands for; one without
/// authorization goes without. Any other authorization is refused: what the program should not have had in the first place
/// does not become safer here, and nothing that looks like a handle leaves the gateway.
class TerminatedHost final : public Site {
 public:
  /// @param host as `NormalHost` gives it, with a rule in `shared->Rules`.
  TerminatedHost(std::shared_ptr<Termination const> shared, std::string host, std::uint16_t port);

  void Handle(std::shared_ptr<Exchange> exchange) override;

 private:
  std::shared_ptr<Termination const> const shared_;
  std::string const host_;
  std::uint16_t const port_;
  std::string const origin_;
  Url const url_;
};

}  // namespace mtlspop::gateway
