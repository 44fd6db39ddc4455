// One use of each core layer, so that a header or a library that was not installed does not go unnoticed.

#include <iostream>
#include <memory>

#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "mtlspop/transport/environment.hpp"

// Nobody listens on the port that the request goes to, and the library has to say so.
int main() {
  auto const credential = std::make_shared<mtlspop::ManagedIdentityCredential>();
  mtlspop::BoundPipelineOptions options;
  options.Retry.MaximumRetries = 0;
  auto const pipeline = mtlspop::MakeBoundPipeline(credential, mtlspop::DefaultHttpTransport(), options);
  mtlspop::PipelineRequest request{{"GET", mtlspop::Url::Parse("http://127.0.0.1:1/secrets/a")}, nullptr};
  try {
    pipeline.Send(request, {});
  } catch (mtlspop::Error const& error) {
    std::cout << error.what() << '\n';
    return error.Code() == mtlspop::errors::ConnectFailed ? 0 : 1;
  }
  return 1;
}
