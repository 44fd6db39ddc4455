// program_runner_program PROGRAM ARGUMENTS...
//
// Runs a program as `mtlspop run` does, with the variable GIVEN=by us, and says on standard error what went wrong.
#include <unistd.h>

#include <csignal>
#include <iostream>

#include "exit_code.hpp"
#include "program_runner.hpp"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  mtlspop::command::ProgramRunner runner;
  int ends[2];
  if (::pipe(ends) != 0) return 1;  // a descriptor that was not there when the runner was made
  try {
    return runner.Run({{argv + 1, argv + argc}, {{"GIVEN", "by us"}}});
  } catch (mtlspop::Error const& error) {
    std::cerr << error.what() << '\n';
    return static_cast<int>(mtlspop::command::ExitCodeOf(error));
  }
}
