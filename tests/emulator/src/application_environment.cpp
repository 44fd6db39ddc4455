#include "application_environment.hpp"

#include <cstdlib>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "emulated_hosts.hpp"

namespace mtlspop_emulator {
namespace {

// The value of the first that is set and not empty.
std::string FirstOf(std::initializer_list<char const*> names) {
  for (char const* const name : names) {
    char const* const value = std::getenv(name);
    if (value != nullptr && *value != '\0') {
      return value;
    }
  }
  return {};
}

std::string JoinOverrides(nlohmann::json const& overrides) {
  std::string text;
  for (auto const& [from, to] : overrides.items()) {
    text += (text.empty() ? "" : ",") + from + "=" + to.get<std::string>();
  }
  auto const inherited = FirstOf({"MTLSPOP_CONNECT_OVERRIDES"});
  return inherited.empty() ? text : text + "," + inherited;
}

// No proxy may come between an application and servers that are on its own machine.
std::string HostsWithoutProxy() {
  auto text = FirstOf({"no_proxy", "NO_PROXY"});
  text += text.empty() ? "localhost,127.0.0.1,::1" : ",localhost,127.0.0.1,::1";
  for (auto const& host : EmulatedHosts) {
    bool const below = host.Name.substr(0, 2) == "*.";
    text.append(",").append(below ? host.Name.substr(1) : host.Name);
  }
  return text;
}

}  // namespace

Variables ApplicationEnvironment(
    std::string const& control, std::string const& caFile, nlohmann::json const& overrides) {
  Variables variables = {
      {"AZURE_POD_IDENTITY_AUTHORITY_HOST", control},
      {"MTLSPOP_CA_FILE", caFile},
      {"MTLSPOP_CONNECT_OVERRIDES", JoinOverrides(overrides)},
      {"MTLSPOP_EMULATOR_CONTROL", control}};
  auto const proxy = FirstOf({"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  if (!proxy.empty()) {
    auto const without = HostsWithoutProxy();
    variables.emplace_back("no_proxy", without);
    variables.emplace_back("NO_PROXY", without);
  }
  return variables;
}

std::string ExportLines(Variables const& variables) {
  std::string text;
  for (auto const& [name, value] : variables) {
    text += "export " + name + "='";
    for (char const c : value) {
      text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    text += "'\n";
  }
  return text;
}

}  // namespace mtlspop_emulator
