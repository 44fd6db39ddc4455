#pragma once

/// @file
/// Work in a child that fork() makes.

#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/sanitized.hpp"

namespace mtlspop::test {

/// Whether all threads of this process but the calling one wait for something.
inline bool AreOthersAsleep() {
  auto const self = std::to_string(::gettid());
  for (auto const& thread : std::filesystem::directory_iterator{"/proc/self/task"}) {
    if (thread.path().filename() == self) continue;
    std::ifstream file{thread.path() / "stat"};
    std::string text;
    std::getline(file, text);
    // The state stands behind the name, which is in parentheses. None for a thread that has just ended.
    auto const name = text.rfind(')');
    if (name != std::string::npos && text.compare(name, 3, ") S") != 0) return false;
  }
  return true;
}

/// Whether `work` returned true in a forked child, which then ends without destructors.
template <class Work>
bool InChild(Work&& work) {
  // A child has the locks of a sanitizer's allocator as they were, and for ever. Threads that never rest may keep theirs.
  for (int tries = 0; IsSanitized && tries < 100 && !AreOthersAsleep(); ++tries) ::usleep(10'000);
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
