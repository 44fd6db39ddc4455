#include "gateway/gateway_fixture.hpp"

#include <utility>

#include <gmock/gmock.h>

#include "mtlspop/base/encoding.hpp"
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

void GatewayTest::StartAnew(std::function<void(command::GatewayOptions&)> const& change) {
  gateway_ = nullptr;
  auto options = OptionsFor(emulator_);
  change(options);
  gateway_ = command::Gateway::Start(std::move(options));
}

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

std::string GatewayTest::ProxyCredentials() const {
  auto const proxy = Variable("HTTPS_PROXY");
  auto const credentials = proxy.substr(7, proxy.find('@') - 7);
  gsl::span<std::uint8_t const> const bytes{
      reinterpret_cast<std::uint8_t const*>(credentials.data()), credentials.size()};
  return "Proxy-Authorization: Basic " + encoding::ToBase64(bytes) + "\r\n";
}

RawClient GatewayTest::TunnelTo(std::string const& host, std::string const& fields) const {
  RawClient client{PortOf(Variable("HTTPS_PROXY"))};
  client.Send("CONNECT " + host + ":443 HTTP/1.1\r\nHost: " + host + ":443\r\n" + ProxyCredentials() + fields + "\r\n");
  EXPECT_THAT(client.ReadHead(), testing::StartsWith("HTTP/1.1 200 "));
  EXPECT_TRUE(client.StartTls(host, Variable("NODE_EXTRA_CA_CERTS")));
  return client;
}

}  // namespace mtlspop::test
