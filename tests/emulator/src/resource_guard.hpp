// Lets a request through to a resource only with a token that is good on this very connection.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "service.hpp"
#include "world.hpp"

namespace mtlspop_emulator {

struct ResourceRefusal {
  unsigned Status = 401;
  std::string Code;  // Short: MissingClientCertificate, ...; empty where the message says it all.
  std::string Message;
  std::string ChallengeParameters;  // Further parameters of WWW-Authenticate, such as error="invalid_token".
};

struct Admitted {
  std::string ClientId;
};

// What resources do each in their own way.
struct ResourceHabits {
  bool NeedsBoundHeader;        // x-ms-tokenboundauth.
  std::string_view BearerCode;  // The refusal of a bearer token where only bound ones are taken.
};

class ResourceGuard {
 public:
  ResourceGuard(World& world, ResourceHabits habits) : _world(world), _habits(habits) {}

  // Whether the request carries a bound token, so that the certificate is to be asked for.
  static bool CarriesBoundToken(Request const& request);

  // Checks token, binding and grant, and notes in the exchange what it saw.
  std::variant<Admitted, ResourceRefusal> Check(Exchange& exchange, std::string const& audience) const;

 private:
  World& _world;
  ResourceHabits const _habits;
};

}  // namespace mtlspop_emulator
