// Lets a request through to a resource only with a token that is good on this very connection.
#pragma once

#include <string>
#include <variant>

#include "service.hpp"
#include "world.hpp"

namespace mtlspop_emulator {

struct ResourceRefusal {
  unsigned Status = 401;
  std::string Code;  // Short: MissingClientCertificate, ...
  std::string Message;
  std::string ChallengeParameters;  // Further parameters of WWW-Authenticate, such as error="invalid_token".
};

struct Admitted {
  std::string ClientId;
};

class ResourceGuard {
 public:
  explicit ResourceGuard(World& world) : _world(world) {}

  // Whether the request carries a bound token, so that the certificate is to be asked for.
  static bool CarriesBoundToken(Request const& request);

  // Checks token, binding and grant, and notes in the exchange what it saw.
  std::variant<Admitted, ResourceRefusal> Check(Exchange& exchange, std::string const& audience) const;

 private:
  World& _world;
};

}  // namespace mtlspop_emulator
