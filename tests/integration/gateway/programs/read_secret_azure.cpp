// Reads a secret with the Azure SDK for C++ as it is; knows nothing of bound tokens, handles or the gateway. libcurl reads the
// proxy from the environment, but not whom to trust, as curl itself does; so it names that variable.
#include <azure/core/http/curl_transport.hpp>
#include <azure/identity/managed_identity_credential.hpp>
#include <azure/keyvault/secrets.hpp>

#include <cstdlib>
#include <iostream>
#include <memory>

int main(int, char** argv) try {
  Azure::Core::Http::CurlTransportOptions curl;
  curl.CAInfo = std::getenv("CURL_CA_BUNDLE");
  auto const transport = std::make_shared<Azure::Core::Http::CurlTransport>(curl);
  Azure::Identity::ManagedIdentityCredentialOptions identity;
  identity.Transport.Transport = transport;
  auto const credential = std::make_shared<Azure::Identity::ManagedIdentityCredential>(identity);
  Azure::Security::KeyVault::Secrets::SecretClientOptions options;
  options.Transport.Transport = transport;
  Azure::Security::KeyVault::Secrets::SecretClient const client{argv[1], credential, options};
  std::cout << client.GetSecret(argv[2]).Value.Value.Value() << '\n';
  return 0;
} catch (std::exception const& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
