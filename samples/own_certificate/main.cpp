// Reads a URL with a token that is bound to the application's own certificate, without any framework. Works on every
// platform, with an app registration that has the certificate.

#include <exception>
#include <iostream>
#include <memory>
#include <string>

#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "mtlspop/transport/environment.hpp"

namespace {

void Fetch(
    std::string const& url, std::string const& tenant, std::string const& client, std::string const& certificate) {
  mtlspop::ClientCertificateCredentialOptions options;
  options.TenantId = tenant;
  options.ClientId = client;
  options.CertificatePath = certificate;
  auto const credential = std::make_shared<mtlspop::ClientCertificateCredential>(options);

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
  if (argc != 5) {
    std::cerr
        << "usage: own_certificate https://VAULT.vault.azure.net/secrets/NAME?api-version=7.4 TENANT CLIENT CERT.pem\n";
    return 2;
  }
  try {
    Fetch(argv[1], argv[2], argv[3], argv[4]);
    return 0;
  } catch (std::exception const& error) {
    std::cerr << "own_certificate: " << error.what() << '\n';
    return 1;
  }
}
