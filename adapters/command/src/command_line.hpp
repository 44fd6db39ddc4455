#pragma once

/// @file
/// The command line: options that all commands share, the commands, and what is said when one fails.

#include <string>
#include <vector>

#include "connection_options.hpp"
#include "exit_code.hpp"
#include "identity_options.hpp"
#include "subcommand.hpp"
#include "terminal.hpp"

namespace mtlspop::command {

/// Reads the arguments (without the program's own name), runs what they say, and returns the exit status: an `ExitCode`, or
/// the status of the program that `run` started.
int Main(std::vector<std::string> arguments, Terminal& terminal);

}  // namespace mtlspop::command
