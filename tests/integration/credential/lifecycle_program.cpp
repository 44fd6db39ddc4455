// lifecycle_program RUN
//
// A program that ends while its credential is getting tokens, whose services are in its environment; lifecycle_test.cpp runs
// it. The end meets whatever step is under way after RUN times two milliseconds.

#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "mtlspop/credential/managed_identity_credential.hpp"

int main(int, char** arguments) {
  ::alarm(60);
  // Never destroyed, as what stands in a static object of the application is not before the end.
  static auto& credential = *std::make_unique<mtlspop::ManagedIdentityCredential>().release();
  for (int index = 0; index < 4; ++index) {
    std::thread{[index] {
      mtlspop::TokenRequest request;
      request.Scopes = {"https://vault" + std::to_string(index) + ".azure.net/.default"};
      try {
        credential.GetToken(request, {});
      } catch (std::exception const&) {
        // The end of the process is the end of the request too.
      }
    }}.detach();
  }
  ::usleep(static_cast<useconds_t>(std::atoi(arguments[1])) * 2000);
  std::exit(0);
}
