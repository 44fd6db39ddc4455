#pragma once

/// @file
/// How long to wait before a request is sent again; for adapters whose framework does the retrying.

#include <chrono>
#include <optional>
#include <string_view>

#include "mtlspop/policies/retry_policy.hpp"
#include "mtlspop/transport/headers.hpp"

namespace mtlspop {

/// The wait that an answer asks for (`retry-after-ms`, `x-ms-retry-after-ms`, `Retry-After`); never negative. Nothing where it asks for none, or in a form that cannot be read.
std::optional<std::chrono::milliseconds> ReadRetryAfter(
    Headers const& fields, std::chrono::system_clock::time_point now);

/// The wait before the attempt that follows `attempt`, which counts from 1: `InitialDelay`, doubled for each attempt, times a
/// random factor from 0.8 to 1.2, at most `MaximumDelay`.
std::chrono::milliseconds BackOff(RetryOptions const& options, int attempt);

/// Reads IMF-fixdate, for example "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7).
std::optional<std::chrono::system_clock::time_point> ReadHttpDate(std::string_view text);

}  // namespace mtlspop
