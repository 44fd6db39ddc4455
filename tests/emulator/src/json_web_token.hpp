// RS256 JSON web tokens (RFC 7515, RFC 7519): signing and checking.
#pragma once

#include <future>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "openssl_types.hpp"

namespace mtlspop_emulator {

// A signing key of one issuer. Thread safe.
class TokenKey {
 public:
  // std::launch::async: starts to make the key in the background; deferred: whoever needs it first makes it.
  explicit TokenKey(std::launch policy);
  void WaitUntilMade() const { _made.wait(); }

  std::string Sign(nlohmann::json const& claims) const;

  // The claims of a token signed with this key; nothing for any other text. Says nothing of validity in time.
  std::optional<nlohmann::json> Verify(std::string_view token) const;

  // As a JSON web key set (RFC 7517).
  nlohmann::json KeySet() const;

 private:
  struct Made {
    KeyPtr Key;
    std::string Id;
  };
  static Made Make();

  std::shared_future<Made> _made;
};

// RSA public key as a JSON web key.
nlohmann::json JsonWebKey(EVP_PKEY* key);

// Why a token with these claims is not valid now (nbf, exp, with no leeway), or nothing.
std::optional<std::string> InvalidNow(nlohmann::json const& claims);

// claims[name] where it is a string, else an empty string.
std::string StringClaim(nlohmann::json const& claims, char const* name);

// cnf.x5t#S256, else an empty string.
std::string BoundX5tS256(nlohmann::json const& claims);

}  // namespace mtlspop_emulator
