#pragma once

/// @file
/// The parts of the gateway's benchmark.

#include "support/report.hpp"

namespace mtlspop::bench {

/// How many requests under fire, where nothing is said.
inline constexpr char const* RequestsVariable = "MTLSPOP_GATEWAY_REQUESTS";

/// A request's way, one after the other and 64 at a time, and large bodies: beside nginx and stunnel.
void BenchWays(Report& report, BenchOptions const& options);

/// Clients by the thousand: idle, and with requests in flight.
void BenchCrowds(Report& report, BenchOptions const& options);

/// Requests while bindings rotate, the configuration is read again and connections to the server are cut.
void BenchFire(Report& report, BenchOptions const& options);

}  // namespace mtlspop::bench
