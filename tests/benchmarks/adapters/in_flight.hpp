#pragma once

/// @file
/// Ten thousand requests of cpprestsdk's in flight at a server that answers after two seconds.

#include <string>
#include <vector>

#include "support/in_flight_process.hpp"
#include "support/report.hpp"
#include "transport/bench_server.hpp"

namespace mtlspop::bench {

/// In the process of its own (`InFlightMode`), WHAT being bound or plain: sends them all, waits for all answers, and prints how
/// many came, the most threads beside those of cpprestsdk, the most resident memory for each in KiB, and the seconds that all
/// took.
int RunInFlight(std::vector<std::string> const& arguments);

/// The handler against a plain client with the certificate set in its TLS callback, each in a process of its own.
void BenchInFlight(Report& report, BenchServer const& server, BenchOptions const& options);

}  // namespace mtlspop::bench
