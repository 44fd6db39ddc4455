// Runs a program beside the emulator: mtlspop-emulator run -- PROGRAM. posix/program_runner.cpp and
// windows/program_runner.cpp do it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "application_environment.hpp"

namespace mtlspop_emulator {

class ProgramRunner {
 public:
  // Holds back the signals that Run passes on. Before the first thread is started, so that no other thread takes them.
  ProgramRunner();
  ProgramRunner(ProgramRunner const&) = delete;
  ProgramRunner& operator=(ProgramRunner const&) = delete;
  ~ProgramRunner();

  // Starts the program with these variables added to this process's, passes on the signals that a user or a supervisor
  // sends, and returns what a shell would: the program's exit status, 128 + n where signal n ended it, 127 where there
  // is no such program, 126 where it cannot be run. On Windows the console itself sends Ctrl+C and Ctrl+Break to the
  // program, and a program that outlives the emulator is ended.
  int Run(std::vector<std::string> const& command, Variables const& environment) const;
  // Until SIGTERM, SIGINT or SIGHUP; on Windows Ctrl+C or Ctrl+Break.
  void WaitForEnd() const;

 private:
  struct Kept;
  std::unique_ptr<Kept> const _kept;
};

}  // namespace mtlspop_emulator
