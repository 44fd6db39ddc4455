#pragma once

/// @file
/// Environment variables for the length of a test.

#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mtlspop::test {

/// Sets and removes environment variables, and puts back what was there. Not while other threads read the environment.
class ScopedEnvironment final {
 public:
  using Variables = std::vector<std::pair<std::string, std::optional<std::string>>>;

  explicit ScopedEnvironment(Variables const& variables) {
    for (auto const& [name, value] : variables) {
      char const* before = std::getenv(name.c_str());
      before_.emplace_back(name, before != nullptr ? std::optional<std::string>{before} : std::nullopt);
      Apply(name, value);
    }
  }
  ~ScopedEnvironment() {
    for (auto last = before_.rbegin(); last != before_.rend(); ++last) Apply(last->first, last->second);
  }
  ScopedEnvironment(ScopedEnvironment const&) = delete;
  ScopedEnvironment& operator=(ScopedEnvironment const&) = delete;

 private:
  static void Apply(std::string const& name, std::optional<std::string> const& value) {
    if (value) {
      ::setenv(name.c_str(), value->c_str(), 1);
    } else {
      ::unsetenv(name.c_str());
    }
  }

  Variables before_;
};

}  // namespace mtlspop::test
