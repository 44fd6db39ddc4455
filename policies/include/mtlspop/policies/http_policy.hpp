#pragma once

/// @file
/// What happens to a request on its way down.

#include <cstddef>
#include <memory>
#include <vector>

#include "mtlspop/transport/binding_certificate.hpp"
#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/request.hpp"
#include "mtlspop/transport/response.hpp"

namespace mtlspop {

/// A request on its way through a pipeline, together with the certificate that this attempt travels with.
struct PipelineRequest {
  mtlspop::Request Message;
  /// Null where the request is not bound. Set by the authorization policy, anew at each attempt.
  std::shared_ptr<BindingCertificate const> Binding{};
  /// Which attempt this is, from 1. Set by the retry policy.
  int Attempt = 1;
};

class NextHttpPolicy;

/// One step of a pipeline. A policy changes the request, passes it on with `next.Send`, looks at the answer, and may pass
/// the request on again.
///
/// Thread safety: one policy object serves many requests at once.
class HttpPolicy {
 public:
  virtual ~HttpPolicy() = default;

  /// @throw Error
  virtual std::unique_ptr<Response> Send(
      PipelineRequest& request, NextHttpPolicy next, Context const& context) const = 0;

  /// A copy for another pipeline.
  virtual std::unique_ptr<HttpPolicy> Clone() const = 0;
};

/// The rest of a pipeline below a policy. Good for the duration of the call that it was passed to.
class NextHttpPolicy final {
 public:
  NextHttpPolicy(std::size_t index, std::vector<std::unique_ptr<HttpPolicy>> const& policies) noexcept
      : index_(index), policies_(&policies) {}

  std::unique_ptr<Response> Send(PipelineRequest& request, Context const& context) const;

 private:
  std::size_t index_;
  std::vector<std::unique_ptr<HttpPolicy>> const* policies_;
};

}  // namespace mtlspop
