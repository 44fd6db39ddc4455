// privileged_program
//
// Prints what this library takes from the environment, and whether the system says that this program runs with more rights
// than whoever started it; privileged_test.cpp runs it with and without them.

#include <sys/auxv.h>

#include <iostream>

#include "mtlspop/credential/environment_reader.hpp"
#include "mtlspop/transport/environment.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace {

// Whether a request to a port where nobody listens would have gone through a proxy.
bool IsProxied() {
  mtlspop::TransportOptions options;
  auto const transport = mtlspop::MakeHttpTransport(options);
  mtlspop::Request request{"GET", mtlspop::Url::Parse("http://127.0.0.1:1/")};
  try {
    transport->Send(request, nullptr, {});
  } catch (mtlspop::Error const& error) {
    return error.Details().What.find("127.0.0.1:2") != std::string::npos;
  }
  return true;
}

}  // namespace

int main() {
  auto const options = mtlspop::TransportOptionsFromEnvironment();
  std::cout << "privileged " << (::getauxval(AT_SECURE) != 0) << "\nca_file " << options.Tls.Trust.CaFile
            << "\noverrides " << options.ConnectOverrides.size() << "\nmetadata_service "
            << mtlspop::ReadEnvironment("AZURE_POD_IDENTITY_AUTHORITY_HOST") << "\nproxied " << IsProxied() << '\n';
}
