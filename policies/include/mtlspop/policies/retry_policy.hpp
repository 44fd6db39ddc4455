#pragma once

/// @file
/// Sends a request again where that is safe and promises something.

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include <gsl/pointers>

#include "mtlspop/policies/http_policy.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/log.hpp"

namespace mtlspop {

struct RetryOptions {
  /// How often a request is sent again after the first time. 0 switches retries off; at most 100.
  int MaximumRetries = 3;
  /// The wait before the first retry, doubled for each one after it, then multiplied by a random factor from 0.8 to 1.2.
  std::chrono::milliseconds InitialDelay{800};
  /// The longest wait between two attempts, unless the other side asks for a longer one.
  std::chrono::milliseconds MaximumDelay{60'000};
  /// The longest wait that the other side can ask for (`Retry-After`). Where it asks for more, its answer is returned.
  std::chrono::milliseconds MaximumRetryAfter{120'000};
  /// Answers that are worth another try.
  std::vector<int> StatusCodes{408, 429, 500, 502, 503, 504};
  gsl::not_null<std::shared_ptr<Clock>> Time = SystemClock();
  /// Numbers from 0 up to, not including, 1; called from any thread. Empty for a generator of its own.
  std::function<double()> Random;
  Logger Log;
};

/// Retries with exponential back-off.
///
/// A method that is not idempotent (RFC 9110 section 9.2.2) is sent again only where the other side cannot have acted on
/// it: no byte was sent, or it answered 408, 429, 503, or 401 because its check of the binding failed. A body that cannot be
/// rewound is never sent again. `Retry-After` (RFC 9110 section 10.2.3), `retry-after-ms` and `x-ms-retry-after-ms` are
/// honoured. A wait that would outlast the caller's deadline is not begun: the last answer or error is the result.
///
/// Thread safety: one policy serves many requests at once.
class RetryPolicy final : public HttpPolicy {
 public:
  explicit RetryPolicy(RetryOptions options = {});

  /// @throw Error of the last attempt, with the number of attempts in its details.
  std::unique_ptr<Response> Send(PipelineRequest& request, NextHttpPolicy next, Context const& context) const override;

  std::unique_ptr<HttpPolicy> Clone() const override;

 private:
  std::shared_ptr<RetryOptions const> options_;
};

}  // namespace mtlspop
