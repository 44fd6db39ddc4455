#pragma once

/// @file
/// The emulator as another process, for tests of the credentials.

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "support/server_process.hpp"

namespace mtlspop::test {

/// A running emulator. Ends with this object.
///
/// Thread safety: all members may be called from any thread.
class Emulator final {
 public:
  explicit Emulator(std::vector<std::string> const& arguments = {});

  /// The line that it printed when it started.
  nlohmann::json const& Startup() const noexcept { return startup_; }
  std::string ImdsEndpoint() const { return startup_.at("imds"); }

  /// A transport that trusts it, and reaches it by the names of the real services.
  std::shared_ptr<HttpTransport> const& Transport() const noexcept { return transport_; }
  /// Options of such a transport.
  TransportOptions MakeTransportOptions() const;
  /// Options that lead to it; bound tokens required, and each renewal due when the contract says.
  ManagedIdentityCredentialOptions CredentialOptions() const;

  /// What it saw, all services or one of "imds", "sts", "vault", "attestation".
  nlohmann::json Log(std::string const& service = "") const;
  /// How many requests of a path it saw.
  int Count(std::string const& path) const;
  void ArmFault(nlohmann::json const& fault) const;
  /// POST to a control call; the answer.
  nlohmann::json Control(std::string const& name, nlohmann::json const& body) const;
  nlohmann::json Get(std::string const& name) const;

  /// A secret of its vault, asked for with this token; the status.
  int ReadSecret(AccessToken const& token) const;
  /// The same over another transport.
  int ReadSecretOver(HttpTransport& transport, AccessToken const& token) const;

 private:
  nlohmann::json Send(std::string const& method, std::string const& name, std::string const& body) const;

  std::unique_ptr<ServerProcess> process_;
  nlohmann::json startup_;
  std::shared_ptr<HttpTransport> transport_;
};

/// For the vault of the emulator.
TokenRequest VaultRequest();

}  // namespace mtlspop::test
