#pragma once

/// @file
/// A program that a test runs to its end.

#include <map>
#include <string>
#include <vector>

namespace mtlspop::test {

struct ProgramResult {
  /// As of exit(); 128 and the signal's number where a signal ended it.
  int Status = -1;
  std::string Output;
  std::string Errors;
};

/// Runs `arguments` (an absolute path first) with nothing but `environment` and PATH, for half a minute at most.
ProgramResult RunProgram(
    std::vector<std::string> arguments,
    std::map<std::string, std::string> const& environment,
    std::string const& input = {});

/// Whether there is such a file, and it can be run.
bool IsProgram(std::string const& path);

}  // namespace mtlspop::test
