#include "connection_options.hpp"

#include <CLI/CLI.hpp>

#include "errors.hpp"
#include "mtlspop/transport/environment.hpp"

namespace mtlspop::command {
namespace {

constexpr char const* Group = "Connection";

/// The end of "HOST:PORT" at the beginning of `text`, an IPv6 address in brackets.
std::size_t EndOfPlace(std::string const& text) {
  auto const bracket = text.empty() || text.front() != '[' ? 0 : text.find(']');
  if (bracket == std::string::npos) return bracket;
  auto const colon = text.find(':', bracket);
  return colon == std::string::npos ? colon : text.find(':', colon + 1);
}

ConnectOverride ParseConnectTo(std::string const& text) {
  auto const end = EndOfPlace(text);
  if (end == std::string::npos || text.find(':', end + 1) == std::string::npos) {
    Fail(
        errors::Usage, "\"" + text + "\" is no HOST1:PORT1:HOST2:PORT2",
        "Give --connect-to both places in full, for example vault.example:443:127.0.0.1:8443");
  }
  return {text.substr(0, end), text.substr(end + 1)};
}

}  // namespace

void AddConnectionOptions(CLI::App& app, ConnectionOptions& options) {
  app.add_option("--cacert", options.CaFile, "Trust the authorities in this file (PEM), and no others")
      ->type_name("FILE")
      ->group(Group);
  app.add_option("--connect-to", options.ConnectTo, "Connect to another place; names and certificates stay")
      ->type_name("HOST1:PORT1:HOST2:PORT2")
      ->allow_extra_args(false)
      ->group(Group);
  app.add_option("-x,--proxy", options.Proxy, "The proxy, in place of the environment's")
      ->type_name("URL")
      ->group(Group);
  app.add_option("--noproxy", options.NoProxy, "Hosts that are reached without it")->type_name("LIST")->group(Group);
  app.add_option("--connect-timeout", options.ConnectTimeoutSeconds, "To resolve, connect and shake hands")
      ->check(CLI::Range(0.001, 86400.0))
      ->type_name("SECONDS")
      ->capture_default_str()
      ->group(Group);
  app.add_option("--tls13", options.Tls13Origins, "Let bound connections to this origin (https://HOST) use TLS 1.3")
      ->type_name("ORIGIN")
      ->allow_extra_args(false)
      ->group(Group);
}

TransportOptions MakeTransportOptions(ConnectionOptions const& options) {
  TransportOptions transport;
  transport.Tls.Trust.CaFile = options.CaFile;
  for (auto const& origin : options.Tls13Origins) transport.Tls.Origins.push_back({origin, TlsVersion::Tls13});
  for (auto const& text : options.ConnectTo) transport.ConnectOverrides.push_back(ParseConnectTo(text));
  transport.Proxy.Url = options.Proxy;
  transport.Proxy.NoProxy = options.NoProxy;
  transport.ConnectTimeout =
      std::chrono::milliseconds{static_cast<std::chrono::milliseconds::rep>(options.ConnectTimeoutSeconds * 1000)};
  return TransportOptionsFromEnvironment(std::move(transport));
}

}  // namespace mtlspop::command
