#pragma once

/// @file
/// The process's environment, as one who tries an example out against the emulator sets it.

#include <string>

#include "credential/emulator.hpp"
#include "support/scoped_environment.hpp"

namespace mtlspop::test {

inline ScopedEnvironment::Variables PointedAt(Emulator const& emulator) {
  auto const vault = emulator.Startup().at("vault_host").get<std::string>();
  std::string overrides;
  for (auto const& one : emulator.MakeTransportOptions().ConnectOverrides) {
    overrides += (overrides.empty() ? "" : ",") + one.From + "=" + one.To;
    if (one.From.compare(0, vault.size(), vault) == 0) overrides += ",*.vault.azure.net:443=" + one.To;
  }
  return {
      {"AZURE_POD_IDENTITY_AUTHORITY_HOST", emulator.ImdsEndpoint()},
      {"MTLSPOP_CA_FILE", emulator.Startup().at("ca_file").get<std::string>()},
      {"MTLSPOP_CONNECT_OVERRIDES", overrides},
      {"MSAL_ENABLE_MSI_V2", std::nullopt},
      {"NO_PROXY", "*"}};
}

}  // namespace mtlspop::test
