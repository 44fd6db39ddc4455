// The whole road as a well-behaved client goes it: metadata, certificate, token, secret.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "emulator_process.hpp"
#include "test_certificates.hpp"
#include "test_connection.hpp"

namespace emulator_test {

constexpr char const VaultScope[] = "https://vault.azure.net/.default";

class EmulatedApp {
 public:
  // `identity` names one of the startup line's.
  EmulatedApp(EmulatorProcess& emulator, std::string const& identity = "emulated-vm");

  // IMDS.
  CallAnswer Metadata();
  CallAnswer IssueCredential(std::string const& csr, std::string const& attestationToken = {});
  RequestShape GoodRequest();
  // Goes through both calls and keeps the certificate.
  Credentials const& Bind();
  Credentials const& Binding() const { return _binding; }

  // The token service.
  std::string TokenForm(std::string const& scope = VaultScope, std::string const& extra = "&token_type=mtls_pop") const;
  CallAnswer RequestToken(std::string const& form);
  // A bound token for the vault.
  std::string Token(std::string const& scope = VaultScope);

  // TLS towards the emulator, presenting a certificate or none.
  TlsSettings Tls(Credentials const* certificate) const;
  std::string TokenTarget() const { return "/" + TenantId() + "/oauth2/v2.0/token"; }
  std::string ClientId() const { return _identity.at("client_id"); }
  std::string TenantId() const { return _identity.at("tenant_id"); }
  std::string Query() const;

 private:
  EmulatorProcess& _emulator;
  nlohmann::json const _identity;
  Credentials _binding;
};

// A call of the vault with a bound token.
CallRequest BoundCall(std::string const& method, std::string const& target, std::string const& token);
CallRequest FormCall(std::string const& target, std::string const& form);

// error_description, or error.message, or the body as it is.
std::string ErrorText(CallAnswer const& answer);

nlohmann::json ClaimsOf(std::string const& token);

}  // namespace emulator_test
