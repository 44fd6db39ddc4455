#pragma once

/// @file
/// Takes the system's random numbers away from a program. It replaces a function of the C library: to be included by one file
/// of a program.

#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace mtlspop::test {

/// While it is true, there are none.
inline std::atomic<bool> thereAreNoRandomNumbers{false};

}  // namespace mtlspop::test

extern "C" ssize_t getrandom(void* buffer, size_t length, unsigned flags) {
  if (mtlspop::test::thereAreNoRandomNumbers) {
    errno = ENOSYS;
    return -1;
  }
  return ::syscall(SYS_getrandom, buffer, length, flags);
}
