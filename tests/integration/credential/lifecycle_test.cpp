// The end of a process whose credential is at work. Each is a program of its own.

#include <spawn.h>
#include <sys/wait.h>

#include <string>

#include <gtest/gtest.h>

#include "examples/pointed_at.hpp"

extern char** environ;

namespace mtlspop::test {
namespace {

/// "" where the program ended with 0.
std::string EndOfRun(int run) {
  std::string program{MTLSPOP_CREDENTIAL_LIFECYCLE_PROGRAM};
  auto number = std::to_string(run);
  char* const arguments[] = {program.data(), number.data(), nullptr};
  pid_t child = -1;
  if (::posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments, environ) != 0) return "not started";
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return WEXITSTATUS(status) == 0 ? "" : "exit code " + std::to_string(WEXITSTATUS(status));
}

TEST(AttackEndOfProcessTest, ExitWhileACredentialGetsTokensIsNoCrash) {
  Emulator const emulator;
  ScopedEnvironment const environment{PointedAt(emulator)};
  for (int run = 0; run < 50; ++run) ASSERT_EQ(EndOfRun(run), "") << "run " << run;
}

}  // namespace
}  // namespace mtlspop::test
