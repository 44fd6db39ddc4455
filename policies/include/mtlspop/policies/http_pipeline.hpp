#pragma once

/// @file
/// A stack of policies over a transport.

#include <memory>
#include <vector>

#include "mtlspop/export.hpp"
#include "mtlspop/policies/http_policy.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop {

/// Sends requests through its policies, first one first, and then through its transport with the binding that the policies
/// left on the request.
///
/// Thread safety: one pipeline serves any number of threads.
class MTLSPOP_EXPORT HttpPipeline final {
 public:
  /// @throw Error `invalid_argument` for a policy or a transport that is null
  HttpPipeline(std::vector<std::unique_ptr<HttpPolicy>> policies, std::shared_ptr<HttpTransport> transport);
  /// A pipeline with copies of the policies (`HttpPolicy::Clone`) and the same transport.
  HttpPipeline(HttpPipeline const& other);
  HttpPipeline& operator=(HttpPipeline const&) = delete;

  /// Sends `request` and returns as soon as the answer's header is there.
  /// @throw Error what the policies and the transport throw
  std::unique_ptr<Response> Send(PipelineRequest& request, Context const& context) const;

  /// As `Send`, without a thread that waits: `done` gets what `Send` returns or throws. The pipeline must live until then;
  /// `request` is kept, and not to be touched meanwhile. What is promised to `done` and asked of it is said in
  /// mtlspop/transport/outcome.hpp.
  /// @throw Error `invalid_argument` for a request that is null, std::bad_alloc; `done` is not called then
  void SendAsync(
      std::shared_ptr<PipelineRequest> request,
      Context const& context,
      Completion<std::unique_ptr<Response>> done) const;

 private:
  std::vector<std::unique_ptr<HttpPolicy>> policies_;
};

}  // namespace mtlspop
