#pragma once

/// @file
/// Instructions of a request, counted by callgrind: the same on each run, whatever else the machine does.

#include <optional>
#include <string>
#include <vector>

#include "transport/peer.hpp"

namespace mtlspop::bench {

/// Instructions of one keep-alive GET by the client "own" or "bare"; none where valgrind is not installed.
std::optional<double> CountInstructions(std::string const& client, Scenario const& scenario);

/// What valgrind runs: `--loop CLIENT COUNT PORT CA CERTIFICATE KEY`.
int RunLoop(std::vector<std::string> const& arguments);

}  // namespace mtlspop::bench
