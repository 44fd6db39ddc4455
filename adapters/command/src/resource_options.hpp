#pragma once

/// @file
/// What tokens are asked for.

#include <string>
#include <vector>

#include "mtlspop/transport/url.hpp"

namespace CLI {
class App;
}

namespace mtlspop::command {

struct ResourceOptions {
  /// "https://vault.azure.net".
  std::string Resource;
  /// "https://vault.azure.net/.default".
  std::string Scope;
};

/// Adds the options to `app`, which write to `options`; both must live until the parsing is over.
void AddResourceOptions(CLI::App& app, ResourceOptions& options);

/// What the options say, else what the table says of the URL's host; none where the resource has to be asked.
std::vector<std::string> ScopesFor(ResourceOptions const& options, Url const& url);
/// What the options say; none where they do not.
std::vector<std::string> ScopesOf(ResourceOptions const& options);

}  // namespace mtlspop::command
