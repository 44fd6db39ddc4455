// A key provider of one's own: the key of the binding comes from a PEM file, and could as well come from a TPM or a PKCS#11
// token, through any provider that OpenSSL 3 has loaded. Prints the binding that a token was obtained with, not the token.

#include <openssl/pem.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/credential/openssl.hpp"

namespace {

class FileKeyProvider final : public mtlspop::KeyProvider {
 public:
  explicit FileKeyProvider(std::string path) : path_(std::move(path)) {}

  mtlspop::KeyStrength HighestStrength() const noexcept override { return mtlspop::KeyStrength::Software; }

  gsl::not_null<std::shared_ptr<mtlspop::BindingKey const>> GetOrCreateKey(
      mtlspop::KeyRequest const&, mtlspop::Context const&) override {
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> const file{std::fopen(path_.c_str(), "r"), std::fclose};
    if (!file) throw std::runtime_error{"cannot open " + path_};
    std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> const key{
        PEM_read_PrivateKey(file.get(), nullptr, nullptr, nullptr), EVP_PKEY_free};
    if (!key) throw std::runtime_error{"no private key in " + path_};
    return mtlspop::openssl::WrapBindingKey(key.get(), mtlspop::KeyStrength::Software);
  }

 private:
  std::string path_;
};

void ShowBinding(std::string const& keyPath, std::string const& scope) {
  mtlspop::ManagedIdentityCredentialOptions options;
  options.Keys = std::make_shared<FileKeyProvider>(keyPath);
  mtlspop::ManagedIdentityCredential credential{options};

  mtlspop::TokenRequest request;
  request.Scopes = {scope};
  auto const token = credential.GetToken(request, mtlspop::Context{}.WithTimeout(std::chrono::seconds{30}));
  std::cout << "token_type: " << mtlspop::ToString(token.Type) << '\n'
            << "certificate: " << token.Binding->Subject() << '\n'
            << "x5t#S256: " << token.Binding->X5tS256() << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: own_key_provider KEY.pem https://vault.azure.net/.default\n";
    return 2;
  }
  try {
    ShowBinding(argv[1], argv[2]);
    return 0;
  } catch (std::exception const& error) {
    std::cerr << "own_key_provider: " << error.what() << '\n';
    return 1;
  }
}
