// Reads a secret from Key Vault through a framework that mtlspop knows nothing of: bound_client.hpp joins the two.

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>

#include <iostream>

#include "bound_client.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/transport/environment.hpp"

namespace {

int ReadSecret(std::string const& vault, std::string const& name) {
  boost::asio::io_context loop;
  auto const transport = mtlspop::DefaultHttpTransport();
  mtlspop::ManagedIdentityCredentialOptions identity;
  identity.Transport = transport;  // one for both, so that a certificate that is dropped closes its connections
  mtlspop::BoundPipelineOptions options;
  third_framework::BoundClient client{
      std::make_shared<mtlspop::ManagedIdentityCredential>(identity), transport, std::move(options)};

  namespace http = boost::beast::http;
  third_framework::Request request{http::verb::get, "/secrets/" + name + "?api-version=7.4", 11};
  auto const context = mtlspop::Context{}.WithTimeout(std::chrono::seconds{30});
  int code = 1;
  client.AsyncSend(
      vault, std::move(request), context,
      boost::asio::bind_executor(loop, [&](std::exception_ptr const& failure, third_framework::Answer const& answer) {
        if (failure) std::rethrow_exception(failure);
        std::cout << "status: " << answer.result_int() << '\n' << answer.body() << '\n';
        code = answer.result() == http::status::ok ? 0 : 1;
      }));
  loop.run();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: third_framework https://VAULT.vault.azure.net NAME\n";
    return 2;
  }
  try {
    return ReadSecret(argv[1], argv[2]);
  } catch (std::exception const& error) {
    std::cerr << "third_framework: " << error.what() << '\n';
    return 1;
  }
}
