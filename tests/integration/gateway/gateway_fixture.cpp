#include "gateway/gateway_fixture.hpp"

#include <utility>

#include "mtlspop/credential/managed_identity_credential.hpp"

namespace mtlspop::test {

std::function<std::shared_ptr<TokenCredential>(ManagedIdentityId const&)> IdentitiesOf(Emulator const& emulator) {
  return [credential = emulator.CredentialOptions()](ManagedIdentityId const& identity) {
    auto wanted = credential;
    wanted.Identity = identity;
    return std::make_shared<ManagedIdentityCredential>(wanted);
  };
}

namespace {

command::GatewayOptions OptionsFor(Emulator const& emulator) {
  command::GatewayOptions options;
  options.Credential = IdentitiesOf(emulator);
  options.Transport = emulator.MakeTransportOptions();
  return options;
}

}  // namespace

GatewayTest::GatewayTest(std::vector<std::string> emulatorArguments)
    : emulator_(std::move(emulatorArguments)), gateway_(command::Gateway::Start(OptionsFor(emulator_))) {}

std::map<std::string, std::string> GatewayTest::Environment() const {
  std::map<std::string, std::string> variables;
  for (auto& [name, value] : gateway_->EnvironmentForChild()) variables[name] = value;
  return variables;
}

ProgramResult GatewayTest::Curl(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), {"/usr/bin/curl", "--silent", "--show-error"});
  return RunProgram(std::move(arguments), Environment());
}

std::string GatewayTest::VaultUrl(std::string const& path) const {
  return "https://" + emulator_.Startup().at("vault_host").get<std::string>() + path;
}

std::string GatewayTest::BlobUrl(std::string const& path) const {
  return "https://" + emulator_.Startup().at("blob_host").get<std::string>() + path;
}

std::string GatewayTest::HandleFor(std::string const& resource) const {
  auto const url = Variable("AZURE_POD_IDENTITY_AUTHORITY_HOST") +
                   "/metadata/identity/oauth2/token/?api-version=2018-02-01&resource=" + PercentEncode(resource);
  auto const result = Curl({"-H", "Metadata: true", url});
  return nlohmann::json::parse(result.Output).at("access_token");
}

}  // namespace mtlspop::test
