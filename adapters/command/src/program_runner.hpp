#pragma once

/// @file
/// Another program, started with an environment of ours and followed to its end.

#include <csignal>
#include <string>
#include <utility>
#include <vector>

namespace mtlspop::command {

/// What to start.
struct ProgramStart {
  /// The program, looked for in PATH where its name has no slash, and its arguments.
  std::vector<std::string> Arguments;
  /// Variables in addition to this process's environment, or in the place of its own.
  std::vector<std::pair<std::string, std::string>> Environment;
  /// Variables of this process's environment that the program does not get.
  std::vector<std::string> Removed{};
};

/// Runs programs as `env` does, but stays beside them: signals that are sent to this process go to the program, and its exit
/// status is ours. A signal that is sent to the whole process group the program has twice, from the sender and from here: who
/// a signal was sent to is not to be told.
///
/// The program ends with this process, however that ends, and what it has left behind is ended when it ends by itself. What it has
/// started outlives both where this process is killed (SIGKILL), and so does what takes another user's rights.
///
/// To be made before other threads are, since they must not take the signals, and before descriptors are opened that are
/// none of the program's business: it gets those that this process was given.
///
/// Thread safety: none; all on the thread that made it. Linux only.
class ProgramRunner final {
 public:
  ProgramRunner();
  /// Puts the signal mask back.
  ~ProgramRunner();
  ProgramRunner(ProgramRunner const&) = delete;
  ProgramRunner& operator=(ProgramRunner const&) = delete;

  /// Returns the exit status, 128 and the signal's number where a signal ended it, when the program and all that it has
  /// left behind are gone.
  /// @throw Error `program_not_found`, `program_not_executable`, `system_failure`
  int Run(ProgramStart const& start);

 private:
  int Follow(int program) const;
  void EndOrphans() const;

  sigset_t before_;
  sigset_t awaited_;
  std::vector<int> inherited_;
};

}  // namespace mtlspop::command
