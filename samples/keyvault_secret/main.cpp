// Reads a secret from Key Vault with cpprestsdk. What names mtlspop is all it takes for the requests of the client to be
// authorized as the machine's managed identity, in a way that is of no use to whoever intercepts them.

#include <cpprest/http_client.h>

#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include "mtlspop/cpprest/handler.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"

namespace {

std::string ReadSecret(std::string const& vault, std::string const& name) {
  mtlspop::ManagedIdentityCredentialOptions identity;
  auto const credential = std::make_shared<mtlspop::ManagedIdentityCredential>(identity);

  web::http::client::http_client client{utility::conversions::to_string_t(vault)};
  mtlspop::cpprest::AddHandler(client, credential);

  web::uri_builder path;
  path.append_path(U("secrets")).append_path(utility::conversions::to_string_t(name));
  path.append_query(U("api-version"), U("7.4"));
  auto const answer = client.request(web::http::methods::GET, path.to_string()).get();
  auto const body = answer.extract_json().get();
  if (answer.status_code() != web::http::status_codes::OK) {
    throw std::runtime_error{
        "Key Vault answered " + std::to_string(answer.status_code()) + ": " +
        utility::conversions::to_utf8string(body.serialize())};
  }
  return utility::conversions::to_utf8string(body.at(U("value")).as_string());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: keyvault_secret https://VAULT.vault.azure.net NAME\n";
    return 2;
  }
  try {
    std::cout << "secret: " << ReadSecret(argv[1], argv[2]) << '\n';
    return 0;
  } catch (std::exception const& error) {
    std::cerr << "keyvault_secret: " << error.what() << '\n';
    return 1;
  }
}
