#pragma once

/// @file
/// What the service manager and people on call ask.

#include <cstdint>
#include <functional>
#include <string>

#include "gateway/exchange.hpp"

namespace mtlspop::gateway {

/// `GET /live`, `/ready` and `/metrics`, without a secret: there is none in the answers, and whoever asks changes nothing.
class StatusSite final : public Site {
 public:
  struct Sources {
    /// "" where requests can be served, else why not.
    std::function<std::string()> WhyNotReady;
    std::function<std::string()> MetricsText;
  };

  /// @param port which `Host` has to name, so that no page reads it by another name; 0 for a unix socket
  StatusSite(Sources sources, std::uint16_t port);

  void Handle(std::shared_ptr<Exchange> exchange) override;

 private:
  Sources const sources_;
  std::string const port_;
};

}  // namespace mtlspop::gateway
