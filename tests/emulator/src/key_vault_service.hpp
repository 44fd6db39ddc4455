// A Key Vault: secrets and keys behind bound tokens.
#pragma once

#include <ctime>
#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "resource_guard.hpp"
#include "service.hpp"

namespace mtlspop_emulator {

class KeyVaultService : public Service {
 public:
  explicit KeyVaultService(World& world);

  std::string_view Name(Request const&) const override { return "vault"; }
  bool WantsCertificate(Request const& request) const override { return ResourceGuard::CarriesBoundToken(request); }
  Response Handle(Exchange& exchange) override;

 private:
  // One version of a secret or of a key.
  struct Version {
    std::string Id;
    std::string Content;  // The secret's value, or the key's JSON web key.
    std::time_t Created = 0;
  };
  using Objects = std::map<std::string, std::vector<Version>>;

  Response Dispatch(Exchange& exchange);
  Response Refuse(Exchange& exchange, ResourceRefusal const& refusal) const;
  Response Secret(Request const& request, std::vector<std::string> const& segments);
  Response Key(Request const& request, std::vector<std::string> const& segments);
  Response ListSecrets(std::string const& base) const;
  // Nothing where there is no such version; the newest where `version` is empty.
  static Version const* Find(Objects const& objects, std::string const& name, std::string const& version);
  static Version const& Store(Objects& objects, std::string const& name, std::string content);

  World& _world;
  ResourceGuard const _guard;
  mutable std::mutex _mutex;
  Objects _secrets;
  Objects _keys;
};

}  // namespace mtlspop_emulator
