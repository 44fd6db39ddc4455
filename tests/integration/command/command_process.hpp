#pragma once

/// @file
/// The command as a process of its own.

#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "credential/emulator.hpp"

namespace mtlspop::test {

/// What became of it.
struct CommandResult {
  /// As a shell has it: 128 and the signal's number where one ended it.
  int Status = -1;
  std::string Out;
  std::string Error;
};

/// How to start it.
struct CommandStart {
  std::vector<std::string> Arguments;
  /// "NAME=value": all that it has, beside PATH.
  std::vector<std::string> Environment;
  std::string Input;
  std::string Program = MTLSPOP_COMMAND_PATH;
};

/// A command that runs. It and what it started are ended with this object at the latest.
///
/// Thread safety: none.
class RunningCommand final {
 public:
  explicit RunningCommand(CommandStart start);
  ~RunningCommand();
  RunningCommand(RunningCommand const&) = delete;
  RunningCommand& operator=(RunningCommand const&) = delete;

  pid_t Pid() const noexcept { return pid_; }
  /// Reads what it writes to standard output until `text` stands there.
  /// @return false where it ends before, or takes longer than half a minute
  bool WaitForOutput(std::string const& text);
  /// Waits for its end, half a minute at most.
  CommandResult Wait();

 private:
  bool ReadSome();

  pid_t pid_ = -1;
  int input_ = -1;
  int out_ = -1;
  int error_ = -1;
  std::string toWrite_;
  CommandResult result_;
};

/// Runs it to its end.
CommandResult RunCommand(CommandStart start);

/// With an emulator that remembers every secret.
class CommandTest : public testing::Test {
 protected:
  /// @param arguments of the emulator, in addition to those that it needs
  explicit CommandTest(std::vector<std::string> arguments = {});

  /// What leads to the emulator.
  std::vector<std::string> Environment() const;
  CommandResult Run(std::vector<std::string> arguments, std::string input = {}) const;
  std::string VaultUrl(std::string const& name = "boundsecret") const;
  std::string BlobUrl(std::string const& path) const;
  /// The kinds of secrets that a text holds a piece of.
  std::set<std::string> SecretsIn(std::string const& text) const;

  Emulator emulator_;
};

}  // namespace mtlspop::test
