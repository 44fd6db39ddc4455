#include <CLI/CLI.hpp>

#include "gateway/gateway.hpp"
#include "program_runner.hpp"
#include "subcommand.hpp"

namespace mtlspop::command {
namespace {

struct RunOptions {
  std::vector<std::string> Hosts;
  bool BearerForOthers = false;
  std::vector<std::string> Program;
};

int Run(RunOptions const& options, SharedOptions const& shared) {
  // First: it wants to see the descriptors and the signals as they were given to this process.
  ProgramRunner runner;
  auto transport = MakeTransportOptions(shared.Connection);
  GatewayOptions gateway;
  gateway.Observer = transport.Observer;
  auto const surroundings = MakeSurroundings(shared.Connection);
  gateway.Credential = MakeCredentialFactory(shared.Identity, surroundings);
  if (options.BearerForOthers) gateway.BearerForOthers = MakeBearerFactory(shared.Identity, surroundings);
  gateway.Transport = std::move(transport);
  gateway.Hosts = options.Hosts;
  auto const running = Gateway::Start(std::move(gateway));
  auto const status = runner.Run({options.Program, running->EnvironmentForChild()});
  running->Stop();
  return status;
}

/// As env, nice and timeout: what is below 125 is the program's.
ExitCode ExitOf(Error const& error) noexcept {
  auto const exit = ExitCodeOf(error);
  return exit == ExitCode::ProgramNotFound || exit == ExitCode::ProgramNotExecutable ? exit : ExitCode::RunFailed;
}

}  // namespace

Subcommand AddRunCommand(CLI::App& root) {
  auto const options = std::make_shared<RunOptions>();
  auto* const app = root.add_subcommand(
      "run", "Run a program, unchanged, whose calls to Azure then travel with bound tokens that it never sees");
  app->add_option(
         "--host", options->Hosts,
         "Another host whose calls are bound, beside Azure's vaults, storage and management: NAME, *.NAME, each with "
         "=RESOURCE where the token is for another one")
      ->type_name("NAME")
      ->allow_extra_args(false);
  app->add_flag(
      "--bearer-for-others", options->BearerForOthers,
      "Where the program asks for a token of another resource, give it the bearer token that this machine's own "
      "metadata "
      "service has, which it then holds and can lose; else such a question is refused");
  app->add_option("program", options->Program, "-- and the program with its arguments")->required();
  return {app, [options](SharedOptions const& shared, Terminal&) { return Run(*options, shared); }, &ExitOf};
}

}  // namespace mtlspop::command
