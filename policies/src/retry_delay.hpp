#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "mtlspop/policies/retry_policy.hpp"
#include "mtlspop/transport/headers.hpp"

namespace mtlspop {

/// The wait that an answer asks for; never negative. Nothing where it asks for none, or in a form that cannot be read.
std::optional<std::chrono::milliseconds> ReadRetryAfter(
    Headers const& fields, std::chrono::system_clock::time_point now);

/// The wait before the attempt that follows `attempt`, which counts from 1.
std::chrono::milliseconds BackOff(RetryOptions const& options, int attempt);

/// Reads IMF-fixdate, for example "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7).
std::optional<std::chrono::system_clock::time_point> ReadHttpDate(std::string_view text);

}  // namespace mtlspop
