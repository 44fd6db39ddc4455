#pragma once

/// @file
/// How long to wait before a request is sent again; for adapters whose framework does the retrying.

#include <chrono>
#include <optional>

#include "mtlspop/export.hpp"
#include "mtlspop/policies/retry_options.hpp"
#include "mtlspop/transport/headers.hpp"

namespace mtlspop {

/// The wait that an answer asks for (`retry-after-ms`, `x-ms-retry-after-ms`, `Retry-After` in seconds or as a date in any
/// of the three forms of RFC 9110 section 5.6.7); never negative. Nothing where it asks for none, or in a form that cannot
/// be read.
MTLSPOP_EXPORT std::optional<std::chrono::milliseconds> ReadRetryAfter(
    Headers const& fields, std::chrono::system_clock::time_point now);

/// The wait before the attempt that follows `attempt`, which counts from 1: `InitialDelay`, doubled for each attempt, times a
/// random factor from 0.8 to 1.2; at most `MaximumDelay`, times a random factor from 0.8 to 1.
MTLSPOP_EXPORT std::chrono::milliseconds BackOff(RetryOptions const& options, int attempt);

}  // namespace mtlspop
