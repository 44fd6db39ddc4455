#pragma once

/// @file
/// Stands in for the header of the same name of tests/integration: Windows has neither fork nor signals.

#include <csignal>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mtlspop::test {

/// What to start.
struct ServerCommand {
  /// Path of the program, then its arguments, none of them with a quotation mark.
  std::vector<std::string> Arguments;
  /// "NAME=value": not taken here.
  std::vector<std::string> Environment;
  /// Not sent here: what asks the program to end is the end of its standard input.
  int StopSignal = SIGTERM;
};

/// A running program. It ends with this process at the latest, however that ends.
class ServerProcess final {
 public:
  /// @throw std::runtime_error where the program cannot be started.
  explicit ServerProcess(ServerCommand const& command);
  ~ServerProcess();
  ServerProcess(ServerProcess const&) = delete;
  ServerProcess& operator=(ServerProcess const&) = delete;

  /// Returns once `text` stands in its output. False where the program ends before.
  bool WaitForOutput(std::string_view text);
  /// What was waited for of its standard output and standard error.
  std::string const& Output() const noexcept { return text_; }

 private:
  struct Handles;

  std::unique_ptr<Handles> handles_;
  std::string text_;
};

}  // namespace mtlspop::test
