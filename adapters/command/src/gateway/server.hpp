#pragma once

/// @file
/// The gateway of `mtlspop serve`.
///
/// @code
/// auto const server = Server::Start(std::move(options));   // listens; the service manager is told
/// ...                                                      // SIGHUP: server->Reload(origins); SIGTERM:
/// server->Stop();
/// @endcode

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/reverse_proxy.hpp"
#include "mtlspop/credential/managed_identity_id.hpp"
#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/observer.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop::command {

struct ServerOptions {
  /// As `GatewayOptions::Credential`; asked with the identity that each origin names.
  std::function<std::shared_ptr<TokenCredential>(ManagedIdentityId const&)> Credential;
  /// The way out.
  TransportOptions Transport;
  /// What is served. At least one.
  std::vector<gateway::ServedOrigin> Origins;

  /// The file of a unix socket; "" for none. One of the three ways in has to be there.
  std::string SocketPath{};
  /// The group whose members may use it beside this user and root; "" for nobody else.
  std::string SocketGroup{};
  /// A loopback port, 0 for any. `PortSecret` has to be there then.
  std::optional<std::uint16_t> Port{};
  /// What clients of the port show in the field `x-mtlspop-secret`: at least 32 characters.
  Secret PortSecret{};
  /// Sockets that the service manager has passed (`TakeInheritedSockets`); the secret holds for those of TCP.
  std::vector<int> Inherited{};

  /// A loopback port for `/live`, `/ready` and `/metrics`, 0 for any; none for none.
  std::optional<std::uint16_t> StatusPort{};
  /// Gets a line of JSON for each request. May be called from several threads at a time; must not throw.
  std::function<void(std::string_view line)> AccessLog = nullptr;
  /// Connections at a time. At least 1.
  std::size_t MaximumConnections = 16'384;
  /// What requests under way have to end in when the server stops.
  std::chrono::milliseconds StopTime{30'000};
  EventSink Observer{};
};

/// A running server.
///
/// Thread safety: all members may be called from any thread.
class Server {
 public:
  /// Returns when it listens, and has told the service manager so.
  /// @throw Error `invalid_argument` for options that cannot be used, `system_failure`
  static std::unique_ptr<Server> Start(ServerOptions options);

  virtual ~Server() = default;

  /// From now on requests go to these origins; those under way end as they began. No connection is closed.
  /// @throw Error `invalid_argument`; it goes on as before then
  virtual void Reload(std::vector<gateway::ServedOrigin> origins) = 0;
  /// The loopback port, 0 where there is none.
  virtual std::uint16_t Port() const noexcept = 0;
  virtual std::uint16_t StatusPort() const noexcept = 0;
  /// Has one of the threads that serve tell the service manager that it is alive: one that hangs does not.
  virtual void NotifyAlive() = 0;
  /// Stops listening, lets requests under way end, and ends. Later calls do nothing.
  virtual void Stop() noexcept = 0;

 protected:
  Server() = default;
  Server(Server const&) = delete;
  Server& operator=(Server const&) = delete;
};

}  // namespace mtlspop::command
