#pragma once

/// @file
/// The log: an observer that writes events as lines.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/observer.hpp"

namespace mtlspop {

/// `event` as one line without its time and severity: `token.obtained type=mtls_pop tenant="..."`. Values with a blank, a
/// quote or an equals sign stand in quotes, where a backslash stands before quotes and backslashes.
MTLSPOP_EXPORT std::string ToLine(Event const& event);

/// RFC 3339 section 5.6, in UTC with milliseconds: "2026-11-29T02:05:00.123Z".
MTLSPOP_EXPORT std::string ToTimestamp(std::chrono::system_clock::time_point time);

/// Where lines go.
using LineSink = std::function<void(Severity severity, std::string_view line)>;

/// An observer that writes the events of `minimum` and above as lines (`ToLine`). Null where `sink` is empty.
///
/// Thread safety: `sink` is called from any thread, several at once.
MTLSPOP_EXPORT std::shared_ptr<Observer> MakeLog(LineSink sink, Severity minimum);

/// What `MTLSPOP_LOG` asks for: a log on stderr, whose lines begin with the time, `mtlspop` and the severity. Null where the
/// variable is not set, empty, or `off`. A value that names no severity is told on stderr, once for the process, and taken
/// for `warning`.
///
/// Thread safety: as `getenv`: no thread may change the environment meanwhile.
MTLSPOP_EXPORT std::shared_ptr<Observer> EnvironmentLog();

}  // namespace mtlspop
