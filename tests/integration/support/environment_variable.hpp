#pragma once

/// @file
/// Setting one environment variable. tests/windows/common has the header of this name for Windows.

#include <cstdlib>
#include <optional>
#include <string>

namespace mtlspop::test {

/// Sets the variable, or removes it where there is no value.
inline void SetVariable(std::string const& name, std::optional<std::string> const& value) {
  if (value) {
    ::setenv(name.c_str(), value->c_str(), 1);
  } else {
    ::unsetenv(name.c_str());
  }
}

}  // namespace mtlspop::test
