// Reads a URL with a token bound to a certificate whose private key is in another process.
//
//   remote_signer serve /run/app/signer.sock KEY.pem           the process that has the key
//   remote_signer fetch /run/app/signer.sock CERT.pem URL TENANT CLIENT

#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>

#include <openssl/pem.h>

#include "daemon_signer.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "mtlspop/transport/environment.hpp"
#include "mtlspop/transport/openssl.hpp"

namespace {

void Serve(std::string const& socket, std::string const& keyPath) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> const file{std::fopen(keyPath.c_str(), "r"), std::fclose};
  if (!file) throw std::runtime_error{"cannot open " + keyPath};
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> const key{
      PEM_read_PrivateKey(file.get(), nullptr, nullptr, nullptr), EVP_PKEY_free};
  if (!key) throw std::runtime_error{"no private key in " + keyPath};
  remote_signer::Serve(socket, key.get(), [] { std::cout << "ready" << std::endl; });
}

std::string ReadFile(std::string const& path) {
  std::ifstream file{path};
  return {std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{}};
}

void Fetch(char** arguments) {
  auto const context = mtlspop::Context{}.WithTimeout(std::chrono::seconds{30});
  auto const signer = std::make_shared<remote_signer::DaemonSigner>(arguments[0], context);
  auto const key = mtlspop::openssl::MakeSignerKey(
      gsl::make_not_null(std::shared_ptr<mtlspop::openssl::Signer const>{signer}), context);

  mtlspop::ClientCertificateCredentialOptions options;
  options.Certificate = mtlspop::openssl::MakeBindingCertificateFromPem(
      ReadFile(arguments[1]), mtlspop::openssl::WrapPrivateKey(gsl::make_not_null(key.get().get())),
      mtlspop::KeyStrength::Software);
  options.TenantId = arguments[3];
  options.ClientId = arguments[4];
  auto const credential = std::make_shared<mtlspop::ClientCertificateCredential>(options);

  auto const pipeline = mtlspop::MakeBoundPipeline(credential, mtlspop::DefaultHttpTransport());
  mtlspop::PipelineRequest request{{"GET", mtlspop::Url::Parse(arguments[2])}, nullptr};
  auto const response = pipeline.Send(request, context);
  std::cout << "status: " << response->StatusCode << '\n'
            << mtlspop::ReadToEnd(*response->Body, mtlspop::DefaultBufferedBodyBytes, context) << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  std::string const command = argc > 1 ? argv[1] : "";
  try {
    if (command == "serve" && argc == 4) {
      Serve(argv[2], argv[3]);
      return 0;
    }
    if (command == "fetch" && argc == 7) {
      Fetch(argv + 2);
      return 0;
    }
    std::cerr << "usage: remote_signer serve SOCKET KEY.pem\n"
                 "       remote_signer fetch SOCKET CERT.pem URL TENANT CLIENT\n";
    return 2;
  } catch (std::exception const& error) {
    std::cerr << "remote_signer: " << error.what() << '\n';
    return 1;
  }
}
