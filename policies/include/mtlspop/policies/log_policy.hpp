#pragma once

/// @file
/// A log line for each attempt.

#include <memory>

#include "mtlspop/export.hpp"
#include "mtlspop/policies/http_policy.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/log.hpp"

namespace mtlspop {

/// Writes one line for each attempt: method, host, path and the names of its query parameters, status or error code,
/// duration, attempt, and how it travelled (`x5t#S256`, connection, TLS version). Never header fields, never the values of
/// query parameters, never a body; and everything goes through `Redact()`.
///
/// It belongs below the policy that authorizes and retries. The level is `Info`, and `Warning` for an error or a status of
/// 400 and above.
///
/// Thread safety: one policy serves many requests at once.
class MTLSPOP_EXPORT LogPolicy final : public HttpPolicy {
 public:
  /// @throw Error `invalid_argument` for a clock that is null
  explicit LogPolicy(Logger log, std::shared_ptr<Clock> time = SystemClock());

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

  Logger log_;
  std::shared_ptr<Clock> time_;
};

}  // namespace mtlspop
