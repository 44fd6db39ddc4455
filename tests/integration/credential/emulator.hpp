#pragma once

/// @file
/// The emulator as another process, for tests of the credentials.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "mtlspop/credential/attestation_provider.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "support/server_process.hpp"

namespace mtlspop::test {

/// A running emulator. Ends with this object.
///
/// Thread safety: all members may be called from any thread.
class Emulator final {
 public:
  explicit Emulator(std::vector<std::string> arguments = {});

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

/// Attests keys with the emulator's attestation service.
class EmulatorAttestationProvider final : public AttestationProvider {
 public:
  explicit EmulatorAttestationProvider(std::shared_ptr<HttpTransport> transport) : transport_(std::move(transport)) {}

  Secret Attest(AttestationRequest const& request, Context const& context) override;
  int Calls() const noexcept { return calls_; }

 private:
  std::shared_ptr<HttpTransport> transport_;
  std::atomic<int> calls_{0};
};

/// A token of the emulator's attestation service that says that the key is "keyguard" or "hardware".
Secret AttestAs(
    std::string const& strength, HttpTransport& transport, AttestationRequest const& request, Context const& context);

/// For the vault of the emulator.
TokenRequest VaultRequest();

}  // namespace mtlspop::test
