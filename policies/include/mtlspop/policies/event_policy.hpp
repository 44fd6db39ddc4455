#pragma once

/// @file
/// An event for each attempt.

#include <memory>

#include "mtlspop/export.hpp"
#include "mtlspop/policies/http_policy.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/observer.hpp"
#include "mtlspop/transport/redact.hpp"

namespace mtlspop {

/// Tells an event for each attempt, `request.answered` or `request.failed`: method, host, path and the names of its query parameters, status or error code,
/// duration, attempt, how it travelled (`x5t#S256`, connection, TLS version), and the ids under which it can be found: the client's,
/// the server's and the trace's (`traceparent`, W3C Trace Context). Never other header fields, never the values of
/// query parameters, never a body; and everything goes through `Redact()`.
///
/// It belongs below the policy that authorizes and retries. The severity is `Info`, and `Warning` for an error or a status of
/// 400 and above; a 401 to a request without a token is none, since that is how a resource is asked what token it wants.
///
/// Thread safety: one policy serves many requests at once.
class MTLSPOP_EXPORT EventPolicy final : public HttpPolicy {
 public:
  /// @throw Error `invalid_argument` for a clock that is null
  explicit EventPolicy(EventSink observer, std::shared_ptr<Clock> time = SystemClock());

  std::unique_ptr<Response> Send(PipelineRequest& request, NextHttpPolicy next, Context const& context) const override;
  void SendAsync(
      std::shared_ptr<PipelineRequest> request,
      NextHttpPolicy next,
      Context const& context,
      Completion<std::unique_ptr<Response>> done) const override;

  std::unique_ptr<HttpPolicy> Clone() const override;

 private:
  void WriteAnswer(PipelineRequest const& request, Response const& response, Clock::SteadyTime begin) const;
  void WriteFailure(PipelineRequest const& request, Error const& error, Clock::SteadyTime begin) const;

  EventSink observer_;
  std::shared_ptr<Clock> time_;
};

}  // namespace mtlspop
