#pragma once

/// @file
/// Stands in for the header of the same name of tests/integration: Windows has no setenv.

#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mtlspop::test {

/// Sets and removes environment variables, and puts back what was there. Not while other threads read the environment.
/// Windows does not tell an empty variable from none.
class ScopedEnvironment final {
 public:
  using Variables = std::vector<std::pair<std::string, std::optional<std::string>>>;

  explicit ScopedEnvironment(Variables const& variables) {
    for (auto const& [name, value] : variables) {
      char const* const before = std::getenv(name.c_str());
      before_.emplace_back(name, before == nullptr ? "" : before);
      _putenv_s(name.c_str(), value.value_or("").c_str());
    }
  }
  ~ScopedEnvironment() {
    for (auto last = before_.rbegin(); last != before_.rend(); ++last) {
      _putenv_s(last->first.c_str(), last->second.c_str());
    }
  }
  ScopedEnvironment(ScopedEnvironment const&) = delete;
  ScopedEnvironment& operator=(ScopedEnvironment const&) = delete;

 private:
  std::vector<std::pair<std::string, std::string>> before_;
};

}  // namespace mtlspop::test
