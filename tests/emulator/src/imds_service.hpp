// The instance metadata service: v1 tokens, and v2's binding certificates.
#pragma once

#include <chrono>
#include <deque>
#include <mutex>
#include <variant>

#include "service.hpp"
#include "world.hpp"

namespace mtlspop_emulator {

class ImdsService : public Service {
 public:
  explicit ImdsService(World& world);

  std::string_view Name(Request const&) const override { return "imds"; }
  Response Handle(Exchange& exchange) override;

 private:
  Response Dispatch(Exchange& exchange);
  bool IsThrottled();
  std::variant<Identity const*, Response> SelectIdentity(
      Parameters const& parameters, std::string const& resourceIdName) const;
  Response PlatformMetadata(Identity const& identity) const;
  Response IssueCredential(Exchange& exchange, Identity const& identity);
  Response Credential(Exchange& exchange, Identity const& identity, EVP_PKEY* publicKey);
  Response BearerToken(Exchange& exchange, Identity const& identity);
  std::string AttestationFlaw(nlohmann::json const& body, EVP_PKEY* publicKey) const;

  World& _world;
  std::string const _cuId;
  std::mutex _throttleMutex;
  std::deque<std::chrono::steady_clock::time_point> _recent;
};

}  // namespace mtlspop_emulator
