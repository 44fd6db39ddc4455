#include "azure_hosts.hpp"

namespace mtlspop::command {
namespace {

constexpr std::string_view Storage = "https://storage.azure.com/.default";

constexpr AzureHosts Known[] = {
    {".vault.azure.net", "https://vault.azure.net/.default"},
    {".vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net/.default"},
    {".vault.azure.cn", "https://vault.azure.cn/.default"},
    {".managedhsm.azure.net", "https://managedhsm.azure.net/.default"},
    {".managedhsm.usgovcloudapi.net", "https://managedhsm.usgovcloudapi.net/.default"},
    {".managedhsm.azure.cn", "https://managedhsm.azure.cn/.default"},
    {".blob.core.windows.net", Storage},
    {".dfs.core.windows.net", Storage},
    {".queue.core.windows.net", Storage},
    {".table.core.windows.net", Storage},
    {".file.core.windows.net", Storage},
    // Accounts with a zone of their own in the domain name system: account.z12.blob.storage.azure.net.
    {".blob.storage.azure.net", Storage},
    {".dfs.storage.azure.net", Storage},
    {".queue.storage.azure.net", Storage},
    {".table.storage.azure.net", Storage},
    {".file.storage.azure.net", Storage},
    {".blob.core.usgovcloudapi.net", Storage},
    {".dfs.core.usgovcloudapi.net", Storage},
    {".queue.core.usgovcloudapi.net", Storage},
    {".table.core.usgovcloudapi.net", Storage},
    {".file.core.usgovcloudapi.net", Storage},
    {".blob.core.chinacloudapi.cn", Storage},
    {".dfs.core.chinacloudapi.cn", Storage},
    {".queue.core.chinacloudapi.cn", Storage},
    {".table.core.chinacloudapi.cn", Storage},
    {".file.core.chinacloudapi.cn", Storage},
    {"management.azure.com", "https://management.azure.com/.default"},
    {"management.usgovcloudapi.net", "https://management.usgovcloudapi.net/.default"},
    {"management.chinacloudapi.cn", "https://management.chinacloudapi.cn/.default"},
    {"mtlstb.graph.microsoft.com", "https://graph.microsoft.com/.default", false},
};

}  // namespace

gsl::span<AzureHosts const> KnownAzureHosts() noexcept { return Known; }

bool IsCoveredBy(std::string_view host, std::string_view pattern) noexcept {
  if (pattern.empty() || pattern.front() != '.') return host == pattern;
  return host.size() > pattern.size() && host.substr(host.size() - pattern.size()) == pattern;
}

std::string ScopeOfHost(std::string_view host) {
  for (auto const& known : Known) {
    if (IsCoveredBy(host, known.Host)) return std::string{known.Scope};
  }
  return {};
}

}  // namespace mtlspop::command
