#pragma once

/// @file
/// The hosts of Azure's services, and what tokens are asked for to call them: docs/resources.md as a table.

#include <string>
#include <string_view>

#include <gsl/span>

namespace mtlspop::command {

/// A service that takes bound tokens.
struct AzureHosts {
  /// A name below which all hosts are the service's, for example ".vault.azure.net"; without the dot it is one host.
  std::string_view Host;
  /// "https://vault.azure.net/.default".
  std::string_view Scope;
  /// Whether the service's own SDKs call these hosts. Those of Microsoft Graph call graph.microsoft.com, which takes no bound
  /// tokens.
  bool IsUsual = true;
};

/// Key Vault, Managed HSM, Storage and management in each of Azure's clouds, and Microsoft Graph's host for bound requests.
gsl::span<AzureHosts const> KnownAzureHosts() noexcept;

/// Whether `host` (lower case, without a final dot) is `pattern`, or below it where that begins with a dot: ".a.net" covers
/// "x.a.net" and "y.x.a.net", and neither "a.net" nor "xa.net".
bool IsCoveredBy(std::string_view host, std::string_view pattern) noexcept;

/// The scope for a host, "" where the table does not know it: the resource's own challenge may say it then.
std::string ScopeOfHost(std::string_view host);

}  // namespace mtlspop::command
