// Runs a program beside the emulator: mtlspop-emulator run -- PROGRAM.
#pragma once

#include <sys/resource.h>

#include <csignal>
#include <string>
#include <vector>

#include "application_environment.hpp"

namespace mtlspop_emulator {

// Leaves standard output to whoever else has it, so that its reader comes to the end while the emulator serves.
void EndOutput();

class ProgramRunner {
 public:
  // Holds back the signals that Run passes on. Before the first thread is started, so that no other thread takes them.
  ProgramRunner();

  // Starts the program with these variables added to this process's, passes on the signals that a user or a supervisor
  // sends, and returns what a shell would: the program's exit status, 128 + n where signal n ended it, 127 where there
  // is no such program, 126 where it cannot be run.
  int Run(std::vector<std::string> const& command, Variables const& environment) const;
  // Until SIGTERM, SIGINT or SIGHUP.
  void WaitForEnd() const;

 private:
  [[noreturn]] void BecomeProgram(char* const* argv, char* const* environment, int failures) const;

  sigset_t _held;
  sigset_t _before;
  rlimit _descriptors{};
  bool _pipeSignalWasIgnored = false;
};

}  // namespace mtlspop_emulator
