// One use of each core layer, so that a header or a library that was not installed does not go unnoticed.

#include <iostream>
#include <memory>

#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "mtlspop/policies/errors.hpp"
#include "mtlspop/transport/environment.hpp"

// A token would go to a URL that is not https: the library has to refuse before a byte is sent.
int main() {
  auto const credential = std::make_shared<mtlspop::ManagedIdentityCredential>();
  auto const pipeline = mtlspop::MakeBoundPipeline(credential, mtlspop::DefaultHttpTransport());
  mtlspop::PipelineRequest request{{"GET", mtlspop::Url::Parse("http://vault.example/secrets/a")}, nullptr};
  try {
    pipeline.Send(request, {});
  } catch (mtlspop::Error const& error) {
    std::cout << error.what() << '\n';
    return error.Code() == mtlspop::errors::AuthorizationRequiresHttps ? 0 : 1;
  }
  return 1;
}
