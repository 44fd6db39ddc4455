#include "resource_options.hpp"

#include <CLI/CLI.hpp>

#include "azure_hosts.hpp"

namespace mtlspop::command {

void AddResourceOptions(CLI::App& app, ResourceOptions& options) {
  auto* const resource = app.add_option("--resource", options.Resource, "What the token is for")->type_name("URI");
  app.add_option("--scope", options.Scope, "The same as a scope, for example https://vault.azure.net/.default")
      ->type_name("SCOPE")
      ->excludes(resource);
}

std::vector<std::string> ScopesOf(ResourceOptions const& options) {
  if (!options.Scope.empty()) return {options.Scope};
  if (options.Resource.empty()) return {};
  auto resource = options.Resource;
  if (resource.back() == '/') resource.pop_back();
  return {resource + "/.default"};
}

std::vector<std::string> ScopesFor(ResourceOptions const& options, Url const& url) {
  auto scopes = ScopesOf(options);
  if (!scopes.empty()) return scopes;
  auto scope = ScopeOfHost(url.Host());
  return scope.empty() ? std::vector<std::string>{} : std::vector<std::string>{std::move(scope)};
}

}  // namespace mtlspop::command
