// Reads a secret from Key Vault with the Azure SDK for C++. What names mtlspop is all it takes for the client's requests to
// be authorized as the machine's managed identity, in a way that is of no use to whoever intercepts them.

#include <azure/keyvault/secrets.hpp>

#include <exception>
#include <iostream>
#include <memory>
#include <string>

#include "mtlspop/azure/token_binding.hpp"

namespace {

std::string ReadSecret(std::string const& vault, std::string const& name) {
  auto const credential = std::make_shared<mtlspop::azure::BoundTokenCredential>();

  Azure::Security::KeyVault::Secrets::SecretClientOptions options;
  mtlspop::azure::UseTokenBinding(options, credential);

  Azure::Security::KeyVault::Secrets::SecretClient const client{vault, credential, options};
  return client.GetSecret(name).Value.Value.Value();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: keyvault_secret_azure https://VAULT.vault.azure.net NAME\n";
    return 2;
  }
  try {
    std::cout << "secret: " << ReadSecret(argv[1], argv[2]) << '\n';
    return 0;
  } catch (std::exception const& error) {
    std::cerr << "keyvault_secret_azure: " << error.what() << '\n';
    return 1;
  }
}
