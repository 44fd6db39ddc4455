// An attestation service in the manner of MAA: vouches, by signed JWT, for a public key.
#pragma once

#include "service.hpp"
#include "world.hpp"

namespace mtlspop_emulator {

class AttestationService : public Service {
 public:
  explicit AttestationService(World& world) : _world(world) {}

  std::string_view Name(Request const&) const override { return "attestation"; }
  Response Handle(Exchange& exchange) override;

 private:
  Response Attest(Exchange& exchange, std::string_view strength);

  World& _world;
};

// What is wrong with an attestation token for that key; empty where nothing is.
std::string FlawOfAttestation(World const& world, std::string const& token, EVP_PKEY* publicKey);

}  // namespace mtlspop_emulator
