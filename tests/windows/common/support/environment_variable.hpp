#pragma once

/// @file
/// Stands in for the header of the same name of tests/integration: Windows has no setenv.

#include <cstdlib>
#include <optional>
#include <string>

namespace mtlspop::test {

/// Sets the variable, or removes it where there is no value. Windows does not tell an empty variable from none.
inline void SetVariable(std::string const& name, std::optional<std::string> const& value) {
  _putenv_s(name.c_str(), value.value_or("").c_str());
}

}  // namespace mtlspop::test
