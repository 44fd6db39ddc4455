#include "directory.hpp"

#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "client_certificate.hpp"
#include "digest.hpp"
#include "encoding.hpp"
#include "openssl_types.hpp"
#include "options.hpp"

namespace mtlspop_emulator {
namespace {

using nlohmann::json;

Identity MakeIdentity(std::string const& name, bool systemAssigned, bool vaultAccess) {
  Identity identity;
  identity.Name = name;
  identity.SystemAssigned = systemAssigned;
  identity.ClientId = DerivedGuid("client:" + name);
  identity.ObjectId = DerivedGuid("object:" + name);
  identity.TenantId = DerivedGuid("tenant:contoso");
  std::string const group = "/subscriptions/" + DerivedGuid("subscription") + "/resourceGroups/emulated/providers/";
  identity.ResourceId = group + (systemAssigned ? "Microsoft.Compute/virtualMachines/" + name
                                                : "Microsoft.ManagedIdentity/userAssignedIdentities/" + name);
  identity.VaultAccess = vaultAccess;
  return identity;
}

json ReadJsonArray(std::string const& path) {
  std::ifstream file(std::filesystem::u8path(path));
  auto value = json::parse(file, nullptr, false);
  if (!file || !value.is_array()) {
    throw std::invalid_argument(path + " is not a readable file with a JSON array");
  }
  return value;
}

Identity IdentityFrom(json const& description) {
  Identity identity;
  identity.ClientId = description.at("client_id");
  identity.TenantId = description.at("tenant_id");
  identity.ObjectId = description.at("object_id");
  identity.ResourceId = description.value("msi_res_id", "");
  identity.Name = description.value("name", identity.ClientId);
  identity.SystemAssigned = description.value("type", "UserAssigned") == "SystemAssigned";
  identity.VaultAccess = description.value("vault_access", true);
  return identity;
}

std::string X5tS256OfPem(std::string const& pem) {
  BioPtr const bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  CertificatePtr const certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) {
    throw std::invalid_argument("certificate_pem holds no certificate");
  }
  return X5tS256Of(certificate.get());
}

std::string RequiredString(json const& description, char const* name) {
  auto const found = description.find(name);
  if (found == description.end() || !found->is_string()) {
    throw std::invalid_argument(std::string(name) + " is missing or no string");
  }
  return found->get<std::string>();
}

}  // namespace

Directory::Directory(Options const& options) {
  if (!options.IdentitiesFile.empty()) {
    for (auto const& description : ReadJsonArray(options.IdentitiesFile)) {
      AddIdentity(IdentityFrom(description));
    }
  } else {
    AddIdentity(MakeIdentity("emulated-vm", true, true));
    for (std::size_t i = 1; i <= options.UserAssignedCount; ++i) {
      AddIdentity(MakeIdentity("user-" + std::to_string(i), false, true));
    }
    AddIdentity(MakeIdentity("no-access", false, false));
  }
  if (_identities.empty()) {
    throw std::invalid_argument("there is no identity");
  }
  if (!options.AppsFile.empty()) {
    for (auto const& description : ReadJsonArray(options.AppsFile)) {
      AddApp(description);
    }
  }
}

void Directory::AddIdentity(Identity identity) {
  auto const position = _identities.size();
  bool const fresh = _byClientId.emplace(LowerCase(identity.ClientId), position).second &&
                     _byObjectId.emplace(LowerCase(identity.ObjectId), position).second;
  if (!fresh) {
    throw std::invalid_argument("two identities share a client_id or object_id: " + identity.ClientId);
  }
  _byResourceId.emplace(LowerCase(identity.ResourceId), position);
  _identities.push_back(std::move(identity));
}

Identity const* Directory::Lookup(
    std::unordered_map<std::string, std::size_t> const& index, std::string_view key) const {
  auto const found = index.find(LowerCase(key));
  return found == index.end() ? nullptr : &_identities[found->second];
}

Identity const* Directory::SystemAssigned() const {
  for (auto const& identity : _identities) {
    if (identity.SystemAssigned) {
      return &identity;
    }
  }
  return nullptr;
}

Identity const* Directory::FindByClientId(std::string_view clientId) const { return Lookup(_byClientId, clientId); }

Identity const* Directory::FindByObjectId(std::string_view objectId) const { return Lookup(_byObjectId, objectId); }

Identity const* Directory::FindByResourceId(std::string_view resourceId) const {
  return resourceId.empty() ? nullptr : Lookup(_byResourceId, resourceId);
}

bool Directory::HasTenant(std::string const& tenantId) const {
  for (auto const& identity : _identities) {
    if (identity.TenantId == tenantId) {
      return true;
    }
  }
  std::shared_lock const lock(_appsMutex);
  return _appTenants.count(tenantId) > 0;
}

void Directory::AddApp(json const& description) {
  if (!description.is_object()) {
    throw std::invalid_argument("an app is a JSON object");
  }
  auto const clientId = RequiredString(description, "client_id");
  if (FindByClientId(clientId) != nullptr) {
    throw std::invalid_argument("client_id belongs to a managed identity");
  }
  std::unique_lock const lock(_appsMutex);
  auto const known = _apps.find(clientId);
  App app = known != _apps.end() ? *known->second : App();
  app.ClientId = clientId;
  app.TenantId = RequiredString(description, "tenant_id");
  app.ObjectId = description.value("object_id", DerivedGuid("object:" + clientId));
  app.Federated = description.value("federated", app.Federated);
  app.MtlsEnabled = description.value("mtls_enabled", app.MtlsEnabled);
  app.VaultAccess = description.value("vault_access", app.VaultAccess);
  if (description.contains("certificate_pem")) {
    app.CertificatesX5tS256.insert(X5tS256OfPem(RequiredString(description, "certificate_pem")));
  }
  _appTenants.insert(app.TenantId);
  _apps[clientId] = std::make_shared<App const>(std::move(app));
}

std::vector<std::shared_ptr<App const>> Directory::Apps() const {
  std::shared_lock const lock(_appsMutex);
  std::vector<std::shared_ptr<App const>> apps;
  for (auto const& [clientId, app] : _apps) {
    apps.push_back(app);
  }
  return apps;
}

std::shared_ptr<App const> Directory::FindApp(std::string const& clientId) const {
  std::shared_lock const lock(_appsMutex);
  auto const found = _apps.find(clientId);
  return found == _apps.end() ? nullptr : found->second;
}

bool Directory::KnowsAppCertificate(std::string const& x5tS256) const {
  std::shared_lock const lock(_appsMutex);
  for (auto const& [clientId, app] : _apps) {
    if (app->CertificatesX5tS256.count(x5tS256) > 0) {
      return true;
    }
  }
  return false;
}

bool Directory::HasVaultAccess(std::string const& clientId) const {
  if (auto const* identity = FindByClientId(clientId)) {
    return identity->VaultAccess;
  }
  auto const app = FindApp(clientId);
  return app && app->VaultAccess;
}

json ToJson(Identity const& identity) {
  return {
      {"name", identity.Name},
      {"type", identity.SystemAssigned ? "SystemAssigned" : "UserAssigned"},
      {"client_id", identity.ClientId},
      {"object_id", identity.ObjectId},
      {"msi_res_id", identity.ResourceId},
      {"tenant_id", identity.TenantId},
      {"vault_access", identity.VaultAccess}};
}

}  // namespace mtlspop_emulator
