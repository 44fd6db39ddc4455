// The whole road as a Windows program: a bound token of the emulated managed identity, a secret with it, and a thief who
// has the token but not the key. The lines on standard output are those of `./dev demo`.

#include <exception>
#include <iostream>
#include <string>
#include <utility>

#include "container_keys.hpp"
#include "emulator.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/credential/verify_binding.hpp"

namespace {

using namespace mtlspop;
using namespace mtlspop::windows_tests;

struct DemoFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

AccessToken GetToken(Emulator const& emulator, std::shared_ptr<HttpTransport> transport, std::string const& clientId) {
  ManagedIdentityCredentialOptions options;
  if (!clientId.empty()) {
    options.Identity = ManagedIdentityId::FromClientId(clientId);
  }
  options.ImdsEndpoint = emulator.Endpoint("imds");
  options.Keys = MakeContainerKeyProvider();
  options.Transport = std::move(transport);
  ManagedIdentityCredential credential{options};
  TokenRequest request;
  request.Scopes = {"https://vault.azure.net/.default"};
  return credential.GetToken(request, Context{}.WithTimeout(std::chrono::seconds{60}));
}

std::string ErrorCode(std::string const& body) {
  auto node = nlohmann::json::parse(body).at("error");
  while (node.contains("innererror") && node["innererror"].is_object()) {
    node = nlohmann::json(node["innererror"]);
  }
  return node.value("code", "");
}

std::string UserAssigned(Emulator const& emulator) {
  for (auto const& identity : emulator.Startup().at("identities")) {
    if (identity.at("type") == "UserAssigned" && identity.at("vault_access").get<bool>()) {
      return identity.at("client_id").get<std::string>();
    }
  }
  throw DemoFailure{"the emulator has no second identity"};
}

void Require(bool isTrue, std::string const& what) {
  if (!isTrue) {
    throw DemoFailure{what};
  }
}

void Run() {
  Emulator const emulator;
  auto const transport = emulator.MakeTransport().get();
  auto const url = "https://" + emulator.Endpoint("vault_host") + "/secrets/boundsecret?api-version=7.4";

  auto const token = GetToken(emulator, transport, {});
  Require(token.Type == TokenType::MtlsPop && token.Binding, "the token is not bound");
  VerifyBinding(token.Token, *token.Binding);

  Headers fields;
  fields.Set("Authorization", token.AuthorizationHeader());
  fields.Set("x-ms-tokenboundauth", "true");
  auto const secret = Get(*transport, url, fields, token.Binding);
  Require(secret.Status == 200, "the vault answered " + std::to_string(secret.Status) + ": " + secret.Body);

  Headers bearer;
  bearer.Set("Authorization", "Bearer " + std::string{token.Token.Reveal()});
  auto const bare = Get(*transport, url, bearer);
  Require(bare.Status == 401, "the thief without a certificate was answered " + std::to_string(bare.Status));
  auto const other = GetToken(emulator, transport, UserAssigned(emulator));
  auto const foreign = Get(*transport, url, fields, other.Binding);
  Require(foreign.Status == 401, "the thief with another certificate was answered " + std::to_string(foreign.Status));

  std::cout << "token_type: " << ToString(token.Type) << '\n'
            << "binding: x5t#S256 matches cnf\n"
            << "secret: " << nlohmann::json::parse(secret.Body).at("value").get<std::string>() << '\n'
            << "replay_without_certificate: 401 " << ErrorCode(bare.Body) << '\n'
            << "replay_with_other_certificate: 401\n";
}

}  // namespace

int main() {
  try {
    Run();
    return 0;
  } catch (mtlspop::Error const& error) {
    std::cerr << "windows_demo: " << mtlspop::DescribeWithCauses(error) << '\n';
  } catch (std::exception const& error) {
    std::cerr << "windows_demo: " << error.what() << '\n';
  }
  return 1;
}
