#pragma once

/// @file
/// Ten thousand requests of `SendAsync` in flight, and the end of ten thousand that wait.

#include <string>
#include <vector>

#include "support/in_flight_process.hpp"
#include "support/report.hpp"
#include "transport/bench_server.hpp"

namespace mtlspop::bench {

/// In the process of its own (`InFlightMode`), by WHAT:
/// - send: sends them all at once and prints what came of it: how many were answered, the most threads beside its own, the most
///   resident memory for each in KiB, and the seconds that all took;
/// - line, line-threads: sends them over fewer connections, the second with a thread for each, and prints the same;
/// - cancel, cancel-threads: cancels them while they wait for one connection, and prints how many ended, and the milliseconds
///   until the last one had.
int RunSending(std::vector<std::string> const& arguments);

/// In a process of its own, at a server that answers after two seconds.
void BenchInFlight(Report& report, BenchServer const& server, BenchOptions const& options);

}  // namespace mtlspop::bench
