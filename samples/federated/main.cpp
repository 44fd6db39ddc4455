// Reads a URL as an application that trusts this machine's managed identity: a bound token of the machine is the assertion
// with which the application asks for its own, bound to the same certificate.

#include <exception>
#include <iostream>
#include <memory>
#include <string>

#include "mtlspop/credential/client_assertion_credential.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "mtlspop/transport/environment.hpp"

namespace {

void Fetch(std::string const& url, std::string const& tenant, std::string const& client) {
  mtlspop::ManagedIdentityCredentialOptions machine;

  mtlspop::ClientAssertionCredentialOptions application;
  application.TenantId = tenant;
  application.ClientId = client;
  application.Assertion = std::make_shared<mtlspop::ManagedIdentityCredential>(machine);
  auto const credential = std::make_shared<mtlspop::ClientAssertionCredential>(application);

  auto const transport = mtlspop::DefaultHttpTransport();
  auto const pipeline = mtlspop::MakeBoundPipeline(credential, transport);
  mtlspop::PipelineRequest request{{"GET", mtlspop::Url::Parse(url)}, nullptr};
  auto const context = mtlspop::Context{}.WithTimeout(std::chrono::seconds{30});
  auto const response = pipeline.Send(request, context);
  std::cout << "status: " << response->StatusCode << '\n'
            << mtlspop::ReadToEnd(*response->Body, mtlspop::DefaultBufferedBodyBytes, context) << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: federated https://VAULT.vault.azure.net/secrets/NAME?api-version=7.4 TENANT CLIENT\n";
    return 2;
  }
  try {
    Fetch(argv[1], argv[2], argv[3]);
    return 0;
  } catch (std::exception const& error) {
    std::cerr << "federated: " << error.what() << '\n';
    return 1;
  }
}
