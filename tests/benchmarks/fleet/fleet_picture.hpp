#pragma once

/// @file
/// Draws what the token service of a fleet sees.

#include <string>
#include <utility>
#include <vector>

#include "fleet/machine.hpp"

namespace mtlspop::bench {

/// Requests to the token service, the busiest minute of each quarter of an hour, one row for each schedule.
void DrawFleet(std::string const& path, std::vector<std::pair<std::string, Traffic const*>> const& rows);

}  // namespace mtlspop::bench
