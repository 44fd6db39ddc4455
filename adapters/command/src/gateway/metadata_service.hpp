#pragma once

/// @file
/// The stand-in of the instance metadata service: handles in place of tokens.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "gateway/exchange.hpp"
#include "gateway/terminated_host.hpp"

namespace mtlspop::gateway {

/// Answers `GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=...` as the machine's own service does, with a
/// handle for a resource whose hosts are on the list. For another resource it says no, or gives the bearer token of whoever it
/// was told to ask. A handle is given only where a bound
/// token is to be had, so that a program is told of a failure where it expects one.
///
/// Its listener lets in this user's programs alone: whoever else may connect could have tokens asked for, or be given a bearer
/// token. It wants `Metadata: true`, which no browser sends by itself, and its own address as `Host`, so that no name that somebody
/// points at this machine leads here.
class MetadataService final : public Site {
 public:
  /// @param port where it listens
  /// @param bearerForOthers for resources that are not on the list; empty for none
  MetadataService(std::shared_ptr<Termination const> shared, std::uint16_t port, CredentialChoice bearerForOthers);

  void Handle(std::shared_ptr<Exchange> exchange) override;

 private:
  std::optional<Failure> RefusalOfUnlisted(std::string const& resource) const;
  void GiveHandle(std::shared_ptr<Exchange> const& exchange, HandleGrant grant);
  void GiveBearer(std::shared_ptr<Exchange> const& exchange, HandleGrant const& grant, std::string scope);

  std::shared_ptr<Termination const> const shared_;
  std::string const port_;
  CredentialChoice const bearerForOthers_;
};

}  // namespace mtlspop::gateway
