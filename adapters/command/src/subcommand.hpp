#pragma once

/// @file
/// What a command is: one file each, with an `Add...` function that puts its options into the command line.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "connection_options.hpp"
#include "credential_choice.hpp"
#include "exit_code.hpp"
#include "identity_options.hpp"
#include "mtlspop/transport/context.hpp"
#include "terminal.hpp"

namespace CLI {
class App;
}

namespace mtlspop::command {

/// The options that all commands share. They may stand before the command's name and behind it.
struct SharedOptions {
  IdentityOptions Identity;
  ConnectionOptions Connection;
  /// What stands behind "--" where the command is `run`, word for word.
  std::vector<std::string> Program;
};

/// One command.
struct Subcommand {
  /// Its options; owned by the command line.
  CLI::App* App = nullptr;
  /// Does it, and returns the exit status.
  /// @throw Error
  std::function<int(SharedOptions const&, Terminal&)> Run;
  /// The exit status for what `Run` throws.
  ExitCode (*ExitOf)(Error const& error) noexcept = &ExitCodeOf;
};

/// Each adds itself to the command line.
Subcommand AddDoctorCommand(CLI::App& root);
Subcommand AddGetCommand(CLI::App& root);
Subcommand AddRunCommand(CLI::App& root);
Subcommand AddServeCommand(CLI::App& root);
Subcommand AddTokenCommand(CLI::App& root);

/// `-m`, `--max-time`: what a command may take as a whole.
void AddMaxTime(CLI::App& app, double& seconds);
/// A context that ends then; never for 0.
Context WithMaxTime(double seconds);

/// What a credential is made with, by the options and the environment.
CredentialSurroundings MakeSurroundings(ConnectionOptions const& connection);

}  // namespace mtlspop::command
