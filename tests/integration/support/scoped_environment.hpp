#pragma once

/// @file
/// Environment variables for the length of a test.

#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/environment_variable.hpp"

namespace mtlspop::test {

/// Sets and removes environment variables, and puts back what was there. Not while other threads read the environment.
class ScopedEnvironment final {
 public:
  using Variables = std::vector<std::pair<std::string, std::optional<std::string>>>;

  explicit ScopedEnvironment(Variables const& variables) {
    for (auto const& [name, value] : variables) {
      char const* before = std::getenv(name.c_str());
      before_.emplace_back(name, before != nullptr ? std::optional<std::string>{before} : std::nullopt);
      SetVariable(name, value);
    }
  }
  ~ScopedEnvironment() {
    for (auto last = before_.rbegin(); last != before_.rend(); ++last) SetVariable(last->first, last->second);
  }
  ScopedEnvironment(ScopedEnvironment const&) = delete;
  ScopedEnvironment& operator=(ScopedEnvironment const&) = delete;

 private:
  Variables before_;
};

}  // namespace mtlspop::test
