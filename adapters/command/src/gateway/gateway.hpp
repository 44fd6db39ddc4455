#pragma once

/// @file
/// The server side of `mtlspop run` and `mtlspop serve`.
///
/// @code
/// auto const gateway = Gateway::Start(std::move(options));
/// auto const status = RunProgram(program, gateway->EnvironmentForChild(), terminal);
/// gateway->Stop();
/// @endcode

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mtlspop/credential/managed_identity_id.hpp"
#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/observer.hpp"

namespace mtlspop::command {

struct GatewayOptions {
  /// Who the gateway is. Called with the identity that the program's own request to the stand-in of the metadata service
  /// names, system-assigned where it names none: that is whoever the command line or configuration says. Throws `Error`
  /// for an identity that it may not be.
  std::function<std::shared_ptr<TokenCredential>(ManagedIdentityId const&)> Credential;
  /// The same for tokens of resources whose hosts are not on the list, which the program is given as they are. Bearer tokens,
  /// therefore, that can be stolen from it. Empty: such a question is refused.
  std::function<std::shared_ptr<TokenCredential>(ManagedIdentityId const&)> BearerForOthers = nullptr;
  /// The way out.
  TransportOptions Transport;
  /// Hosts whose connections are terminated, beside `KnownAzureHosts()`, in the form of `HostRule::Parse`.
  std::vector<std::string> Hosts;
  /// As `ServerOptions::StatusPort`.
  std::optional<std::uint16_t> StatusPort{};
  EventSink Observer;
};

/// A running gateway. It listens on loopback only, for whoever has this run's secret.
///
/// Thread safety: all members may be called from any thread.
class Gateway {
 public:
  /// Returns when it listens.
  /// @throw Error
  static std::unique_ptr<Gateway> Start(GatewayOptions options);

  virtual ~Gateway() = default;

  /// What a program needs to use it, for its environment: proxy, authorities, stand-in of the metadata service.
  virtual std::vector<std::pair<std::string, std::string>> EnvironmentForChild() const = 0;
  /// What the program's environment must not have beside that: variables that lead its SDK to another source of tokens, past the
  /// gateway, and are asked for first.
  static std::vector<std::string> RemovedFromChild();
  /// The port of `/live`, `/ready` and `/metrics`, 0 where there is none.
  virtual std::uint16_t StatusPort() const noexcept = 0;
  /// Ends it: nothing listens and no thread of it runs when this returns. Later calls do nothing.
  virtual void Stop() noexcept = 0;

 protected:
  Gateway() = default;
  Gateway(Gateway const&) = delete;
  Gateway& operator=(Gateway const&) = delete;
};

}  // namespace mtlspop::command
