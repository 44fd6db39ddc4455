// One use of each core layer, so that a header or a library that was not installed does not go unnoticed.

#include <iostream>
#include <memory>

#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "mtlspop/transport/environment.hpp"

int main() {
  auto const credential = std::make_shared<mtlspop::ManagedIdentityCredential>();
  auto const pipeline = mtlspop::MakeBoundPipeline(credential, mtlspop::DefaultHttpTransport());
  mtlspop::PipelineRequest request{{"GET", mtlspop::Url::Parse("http://vault.example/secrets/a")}, nullptr};
  try {
    pipeline.Send(request, {});
  } catch (mtlspop::Error const& error) {
    std::cout << error.what() << '\n';
    return error.Details().NothingSent ? 0 : 1;
  }
  return 1;
}
