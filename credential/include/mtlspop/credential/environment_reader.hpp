#pragma once

/// @file
/// Where credentials take environment variables from.

#include <functional>
#include <string>

#include "mtlspop/export.hpp"

namespace mtlspop {

/// Gives the value of an environment variable, "" where it is not set.
using EnvironmentReader = std::function<std::string(char const* name)>;

/// The process's environment.
MTLSPOP_EXPORT std::string ReadEnvironment(char const* name);

}  // namespace mtlspop
