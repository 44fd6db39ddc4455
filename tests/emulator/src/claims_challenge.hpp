// A claims challenge that a test has armed: resources refuse tokens that were not obtained in answer to it.
#pragma once

#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace mtlspop_emulator {

// Thread safe.
class ClaimsChallenge {
 public:
  // Arms a fresh challenge and returns its id.
  std::string Arm();
  void Disarm();

  // Whether a token with these claims answers the armed challenge, or none is armed.
  bool IsSatisfiedBy(nlohmann::json const& claims) const;
  // The claims request (OpenID Connect Core, 5.5) to send, base64; for the armed challenge, or a fresh one.
  std::string Encoded() const;

 private:
  mutable std::mutex _mutex;
  std::string _id;
};

// Copies what a `claims` parameter asks for, where this service knows it, into a token's claims.
// False where the parameter is no claims request.
bool ApplyClaimsRequest(std::string const& request, nlohmann::json& claims);

}  // namespace mtlspop_emulator
