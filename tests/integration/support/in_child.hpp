#pragma once

/// @file
/// Work in a child that fork() makes.

#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <string>

namespace mtlspop::test {

/// Whether `work` returned true in a forked child, which then ends without destructors.
template <class Work>
bool InChild(Work&& work) {
  pid_t const child = ::fork();
  if (child == 0) {
    bool good = false;
    try {
      good = work();
    } catch (std::exception const& error) {
      // The child has no test framework to tell.
      auto const* const text = error.what();
      (void)!::write(STDERR_FILENO, text, std::char_traits<char>::length(text));
    }
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return false;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace mtlspop::test
