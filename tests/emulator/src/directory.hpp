// Who exists: the managed identities of the emulated machine, and registered apps with certificates of their own.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mtlspop_emulator {

struct Options;

struct Identity {
  std::string Name;
  bool SystemAssigned = false;
  std::string ClientId;
  std::string ObjectId;
  std::string ResourceId;
  std::string TenantId;
  bool VaultAccess = true;
};

struct App {
  std::string ClientId;
  std::string ObjectId;
  std::string TenantId;
  std::set<std::string> CertificatesX5tS256;
  bool Federated = false;   // Trusts tokens of any identity here as its client assertion.
  bool MtlsEnabled = true;  // Else AADSTS51000.
  bool VaultAccess = true;
};

// Thread safe. Identities never change after start; apps can be added.
class Directory {
 public:
  explicit Directory(Options const& options);

  std::vector<Identity> const& Identities() const { return _identities; }
  Identity const* SystemAssigned() const;
  Identity const* FindByClientId(std::string_view clientId) const;
  Identity const* FindByObjectId(std::string_view objectId) const;
  Identity const* FindByResourceId(std::string_view resourceId) const;
  bool HasTenant(std::string const& tenantId) const;
  std::string const& DefaultTenant() const { return _identities.front().TenantId; }

  // Adds the app described by the JSON object, or further certificates to one that is known.
  // Throws std::invalid_argument, saying what is wrong.
  void AddApp(nlohmann::json const& description);
  std::vector<std::shared_ptr<App const>> Apps() const;
  std::shared_ptr<App const> FindApp(std::string const& clientId) const;
  bool KnowsAppCertificate(std::string const& x5tS256) const;

  // Whether whoever has this client id may use the vault.
  bool HasVaultAccess(std::string const& clientId) const;

 private:
  void AddIdentity(Identity identity);
  Identity const* Lookup(std::unordered_map<std::string, std::size_t> const& index, std::string_view key) const;

  std::vector<Identity> _identities;
  std::unordered_map<std::string, std::size_t> _byClientId;
  std::unordered_map<std::string, std::size_t> _byObjectId;
  std::unordered_map<std::string, std::size_t> _byResourceId;
  mutable std::shared_mutex _appsMutex;
  std::unordered_map<std::string, std::shared_ptr<App const>> _apps;
  std::set<std::string> _appTenants;
};

nlohmann::json ToJson(Identity const& identity);

}  // namespace mtlspop_emulator
