// The mutual-TLS token service.
#pragma once

#include "service.hpp"
#include "world.hpp"

namespace mtlspop_emulator {

struct TokenGrant;

class TokenService : public Service {
 public:
  explicit TokenService(World& world) : _world(world) {}

  std::string_view Name(Request const&) const override { return "sts"; }
  Response Handle(Exchange& exchange) override;

 private:
  Response Token(Exchange& exchange, std::string const& tenant);
  Response Grant(Exchange& exchange, TokenGrant const& grant);
  Response Discovery(Request const& request, std::string const& tenant) const;

  World& _world;
};

}  // namespace mtlspop_emulator
