#pragma once

/// @file
/// Texts for people, and files.

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "mtlspop/transport/secret.hpp"
#include "mtlspop/transport/url.hpp"

namespace mtlspop::command {

/// "2026-11-28T22:05:00Z" (RFC 3339).
std::string FormatTime(std::chrono::system_clock::time_point time);
/// "3 d 4 h", "2 h 5 min", "42 s", "3 ms": two units at most, no sign.
std::string FormatDuration(std::chrono::nanoseconds duration);
/// "1.5 MiB".
std::string FormatBytes(std::uint64_t bytes);

/// The URL as a person types it: "https://" is added where there is no scheme.
/// @throw Error `url_malformed`
Url ParseUrl(std::string_view text);

/// The content of a file of at most `limit` bytes.
/// @throw Error `read_failed`
std::string ReadFile(std::string const& path, std::size_t limit);
/// The first line of a file, which is a password.
/// @throw Error `read_failed`
Secret ReadPasswordFile(std::string const& path);

}  // namespace mtlspop::command
