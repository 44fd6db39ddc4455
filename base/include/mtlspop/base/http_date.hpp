#pragma once

/// @file
/// Dates of HTTP, and waits that are given as one.

#include <chrono>
#include <optional>
#include <string_view>

namespace mtlspop {

/// Reads a date in any of the three forms that a recipient has to accept (RFC 9110 section 5.6.7):
/// "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994". The name of the day is
/// not compared with the date. Nothing for anything else, for days that the month does not have, and for dates before
/// 1970. A date beyond what the clock can count is the last that it can.
/// @param now tells the century of a year of two digits: a date more than fifty years ahead is taken as past
std::optional<std::chrono::system_clock::time_point> ReadHttpDate(
    std::string_view text, std::chrono::system_clock::time_point now);

/// Reads the value of `Retry-After`, seconds or a date (RFC 9110 section 10.2.3), as a wait from `now` on: not negative, at
/// most ten years. Nothing where it is neither.
std::optional<std::chrono::milliseconds> ReadRetryAfterValue(
    std::string_view value, std::chrono::system_clock::time_point now);

}  // namespace mtlspop
