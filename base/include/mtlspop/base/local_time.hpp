#pragma once

/// @file
/// Times as the clock on the wall shows them, for people.

#include <chrono>
#include <string>

namespace mtlspop {

/// The time in this process's time zone (TZ, or the system's) with the offset from UTC, for example
/// "2026-11-29T14:29:55+01:00"; "" where the system cannot tell.
///
/// Thread safety: shares no buffer with other threads, as localtime() does. The zone is read when this process first asks for a
/// local time, and in no later call: like `getenv`, that one must not meet a change of the environment.
std::string ToLocalTimestamp(std::chrono::system_clock::time_point time);

}  // namespace mtlspop
