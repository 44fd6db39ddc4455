#pragma once

/// @file
/// What happens to a request on its way down.

#include <cstddef>
#include <memory>
#include <vector>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/binding_certificate.hpp"
#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/outcome.hpp"
#include "mtlspop/transport/request.hpp"
#include "mtlspop/transport/response.hpp"

namespace mtlspop {

/// A request on its way through a pipeline, together with the certificate that this attempt travels with.
struct PipelineRequest {
  /// The request. Policies may change it.
  mtlspop::Request Message;
  /// Null where the request is not bound. Set by the authorization policy, anew at each attempt.
  std::shared_ptr<BindingCertificate const> Binding{};
  /// Which attempt this is, from 1. Set by the retry policy.
  int Attempt = 1;
  /// How often it was handed to the transport. Counted by the pipeline, never set back.
  int Sent = 0;
};

class NextHttpPolicy;

/// One step of a pipeline. A policy changes the request, passes it on with `next.Send`, looks at the answer, and may pass
/// the request on again.
///
/// Thread safety: one policy object serves many requests at once.
class MTLSPOP_EXPORT HttpPolicy {
 public:
  virtual ~HttpPolicy() = default;

  /// Does this step's part, and returns the answer of what is below, or one of its own.
  /// @throw Error
  virtual std::unique_ptr<Response> Send(
      PipelineRequest& request, NextHttpPolicy next, Context const& context) const = 0;

  /// As `Send`, without waiting for it: `done` gets what `Send` returns or throws. The policy and what `next` leads to must
  /// live until then; `request` is kept, and not to be touched meanwhile. What is promised to `done` and asked of it is said
  /// in mtlspop/transport/outcome.hpp.
  ///
  /// By default calls `Send` on one of a bounded number of threads (64 for the process), where it may wait for its turn, and
  /// with it all policies below wait on that thread. A policy that changes the request or looks at the answer overrides this
  /// in a few lines: it passes the request on with `next.SendAsync` and a completion of its own.
  /// @throw Error; `done` is not called then
  virtual void SendAsync(
      std::shared_ptr<PipelineRequest> request,
      NextHttpPolicy next,
      Context const& context,
      Completion<std::unique_ptr<Response>> done) const;

  /// A copy for another pipeline.
  virtual std::unique_ptr<HttpPolicy> Clone() const = 0;
};

/// The rest of a pipeline below a policy. Valid for the duration of the call that it was passed to, and of an asynchronous one
/// until its completion is called.
class MTLSPOP_EXPORT NextHttpPolicy final {
 public:
  /// For pipelines: what stands from `index` on. `policies` is borrowed.
  NextHttpPolicy(std::size_t index, std::vector<std::unique_ptr<HttpPolicy>> const& policies) noexcept
      : index_(index), policies_(&policies) {}

  /// Passes the request on and waits for the answer's header.
  /// @throw Error what is below throws
  std::unique_ptr<Response> Send(PipelineRequest& request, Context const& context) const;
  /// As `Send`, without a thread that waits: as `HttpPolicy::SendAsync`.
  void SendAsync(
      std::shared_ptr<PipelineRequest> request,
      Context const& context,
      Completion<std::unique_ptr<Response>> done) const;

 private:
  std::size_t index_;
  std::vector<std::unique_ptr<HttpPolicy>> const* policies_;
};

}  // namespace mtlspop
