#pragma once

/// @file
/// The one place where the library reads the environment.

#include <cstdlib>

#ifndef _WIN32
#include <unistd.h>
#endif

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

#ifndef _WIN32
/// All variables, "NAME=value", null behind the last one: to be handed on to a program that is started, not to be obeyed.
inline char** WholeEnvironment() noexcept { return ::environ; }
#endif

}  // namespace mtlspop
