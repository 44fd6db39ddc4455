// A Key Vault: secrets and keys behind bound tokens.
#pragma once

#include <string>
#include <vector>

#include "resource_guard.hpp"
#include "service.hpp"
#include "vault_objects.hpp"

namespace mtlspop_emulator {

struct VaultKind;

class KeyVaultService : public Service {
 public:
  explicit KeyVaultService(World& world);

  std::string_view Name(Request const&) const override { return "vault"; }
  bool WantsCertificate(Request const& request) const override { return ResourceGuard::CarriesBoundToken(request); }
  Response Handle(Exchange& exchange) override;

 private:
  using Segments = std::vector<std::string>;

  Response Dispatch(Exchange& exchange);
  Response Refuse(Exchange& exchange, ResourceRefusal const& refusal) const;
  Response Route(Request const& request, Segments const& segments);
  Response Live(Request const& request, VaultKind const& kind, Segments const& segments);
  Response Deleted(Request const& request, VaultKind const& kind, Segments const& segments);
  Response Make(Request const& request, VaultKind const& kind, std::string const& name);
  Response List(Request const& request, VaultKind const& kind, Segments const& segments) const;
  VaultObjects& Of(VaultKind const& kind);
  VaultObjects const& Of(VaultKind const& kind) const;

  World& _world;
  ResourceGuard const _guard;
  VaultObjects _secrets;
  VaultObjects _keys;
};

}  // namespace mtlspop_emulator
