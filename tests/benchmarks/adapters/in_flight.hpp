#pragma once

/// @file
/// Ten thousand requests of cpprestsdk's in flight at a server that answers after two seconds.

#include <string>
#include <vector>

#include "support/report.hpp"
#include "transport/bench_server.hpp"

namespace mtlspop::bench {

/// Where the mode of the program that is one of the contenders begins:
/// `--in-flight bound|plain PORT CA CERTIFICATE PRIVATE_KEY COUNT`.
inline constexpr char const* InFlightMode = "--in-flight";

/// Sends them all, waits for all answers, and prints how many came, the most threads beside those of cpprestsdk, the most
/// resident memory for each in KiB, and the seconds that all took.
int RunInFlight(std::vector<std::string> const& arguments);

/// The handler against a plain client with the certificate set in its TLS callback, each in a process of its own.
void BenchInFlight(Report& report, BenchServer const& server, BenchOptions const& options);

}  // namespace mtlspop::bench
