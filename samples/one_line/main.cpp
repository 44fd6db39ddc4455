// Gets a URL with a certificate-bound token of the machine's managed identity, and prints the answer: the short way.

#include <exception>
#include <iostream>

#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/policies/client.hpp"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: one_line URL\n";
    return 2;
  }
  try {
    mtlspop::Client const client{std::make_shared<mtlspop::ManagedIdentityCredential>()};
    auto const answer = client.Get(argv[1], std::chrono::seconds{30});
    std::cout << "status: " << answer.Status << '\n' << answer.Text << '\n';
    return answer.Status == 200 ? 0 : 1;
  } catch (std::exception const& error) {
    std::cerr << "one_line: " << error.what() << '\n';
    return 1;
  }
}
