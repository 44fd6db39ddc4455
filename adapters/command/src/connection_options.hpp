#pragma once

/// @file
/// How the command connects: the options, as they were given.

#include <string>
#include <vector>

#include "mtlspop/transport/http_transport.hpp"

namespace CLI {
class App;
}

namespace mtlspop::command {

/// Spelled as curl spells them, where it has them.
struct ConnectionOptions {
  std::string CaFile;
  /// "HOST1:PORT1:HOST2:PORT2".
  std::vector<std::string> ConnectTo;
  std::string Proxy;
  std::string NoProxy;
  double ConnectTimeoutSeconds = 30;
  /// Origins whose bound connections may use TLS 1.3.
  std::vector<std::string> Tls13Origins;
};

/// Adds the options to `app`, which write to `options`; both must live until the parsing is over.
void AddConnectionOptions(CLI::App& app, ConnectionOptions& options);

/// These options and what the environment says (mtlspop/transport/environment.hpp).
/// @throw Error `usage`, `invalid_argument`
TransportOptions MakeTransportOptions(ConnectionOptions const& options);

}  // namespace mtlspop::command
