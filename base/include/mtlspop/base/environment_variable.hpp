#pragma once

/// @file
/// The one place where the library reads the environment.

#include <cstdlib>

namespace mtlspop {

/// The variable's value, null where it is not set, and for every variable of a program that runs with more rights than
/// whoever started it (setuid, file capabilities; getauxval(3), AT_SECURE): whom to trust and where to connect is not his to
/// say there. The pointer is good until the environment changes.
inline char const* ReadEnvironmentVariable(char const* name) noexcept {
#if defined(__GLIBC__)
  return ::secure_getenv(name);
#else
  return std::getenv(name);
#endif
}

}  // namespace mtlspop
