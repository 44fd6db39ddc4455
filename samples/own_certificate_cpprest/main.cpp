// Reads a secret from Key Vault with cpprestsdk, as an application that has a certificate of its own: no managed identity, so
// that it runs anywhere, on Linux too.

#include <cpprest/http_client.h>

#include <exception>
#include <iostream>
#include <memory>
#include <string>

#include "mtlspop/cpprest/handler.hpp"
#include "mtlspop/cpprest/http_exception.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"

namespace {

std::shared_ptr<mtlspop::TokenCredential> MakeCredential(
    std::string const& tenant, std::string const& client, std::string const& certificate) {
  mtlspop::ClientCertificateCredentialOptions options;
  options.TenantId = tenant;
  options.ClientId = client;
  options.CertificatePath = certificate;  // PEM or PKCS#12: the certificate, its chain and its private key
  return std::make_shared<mtlspop::ClientCertificateCredential>(options);
}

int PrintSecret(std::string const& vault, std::shared_ptr<mtlspop::TokenCredential> const& credential) {
  web::http::client::http_client client{utility::conversions::to_string_t(vault)};
  mtlspop::cpprest::AddHandler(client, credential);
  try {
    auto const answer = client.request(web::http::methods::GET, U("/secrets/password?api-version=7.4")).get();
    auto const body = answer.extract_utf8string().get();
    std::cout << "status: " << answer.status_code() << '\n' << body << '\n';
    return answer.status_code() == web::http::status_codes::OK ? 0 : 1;
  } catch (mtlspop::cpprest::HttpException const& error) {
    // No answer: the text says what failed and what to do, the code is for programs.
    std::cerr << error.what() << '\n' << "code: " << error.Code().Name() << '\n';
    return 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: own_certificate_cpprest https://VAULT.vault.azure.net TENANT CLIENT CERT.pem\n";
    return 2;
  }
  try {
    return PrintSecret(argv[1], MakeCredential(argv[2], argv[3], argv[4]));
  } catch (std::exception const& error) {
    std::cerr << "own_certificate_cpprest: " << error.what() << '\n';
    return 1;
  }
}
