// The environment in which an application meets the emulator in place of the real services.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

namespace mtlspop_emulator {

using Variables = std::vector<std::pair<std::string, std::string>>;

// `control` is the URL of IMDS and of the control calls, `overrides` the startup line's `connect`. Where this process's
// environment names overrides of its own or a proxy, they stay, behind what is said here.
Variables ApplicationEnvironment(
    std::string const& control, std::string const& caFile, nlohmann::json const& overrides);

// A line for each, as a shell reads it back: export NAME='value'.
std::string ExportLines(Variables const& variables);

}  // namespace mtlspop_emulator
