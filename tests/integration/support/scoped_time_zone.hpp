#pragma once

/// @file
/// A time zone for the length of a test.

#include <ctime>
#include <memory>
#include <string>

#include "support/scoped_environment.hpp"

namespace mtlspop::test {

/// Sets TZ and has the C library look at it, and puts back what was there. `zone` in POSIX's own form, for which no data need be
/// installed: "XXX-05:30" is five and a half hours east of Greenwich. Not while other threads read the environment.
class ScopedTimeZone final {
 public:
  explicit ScopedTimeZone(std::string const& zone) : environment_(std::make_unique<ScopedEnvironment>(Zone(zone))) {
    ::tzset();
  }
  ~ScopedTimeZone() {
    environment_ = nullptr;
    ::tzset();
  }
  ScopedTimeZone(ScopedTimeZone const&) = delete;
  ScopedTimeZone& operator=(ScopedTimeZone const&) = delete;

 private:
  static ScopedEnvironment::Variables Zone(std::string const& zone) { return {{"TZ", zone}}; }

  std::unique_ptr<ScopedEnvironment> environment_;
};

}  // namespace mtlspop::test
