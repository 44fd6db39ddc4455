#include <CLI/CLI.hpp>

#include <cstdint>
#include <optional>
#include <ostream>

#include "gateway/gateway.hpp"
#include "mtlspop/base/environment_variable.hpp"
#include "platform.hpp"
#include "program_runner.hpp"
#include "subcommand.hpp"

namespace mtlspop::command {
namespace {

struct RunOptions {
  std::vector<std::string> Hosts;
  bool BearerForOthers = false;
  std::optional<std::uint16_t> StatusPort;
  /// Its name alone, where it stands there without the dashes; see `SharedOptions::Program`.
  std::string Program;
};

/// With these a program's SDK signs in by itself, and then holds a token that can be stolen from it. They stay, since it may
/// have them for something else.
constexpr char const* CredentialsOfItsOwn[] = {
    "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_PASSWORD"};

void WarnOfOtherCredentials(std::ostream& out) {
  for (auto const* const name : CredentialsOfItsOwn) {
    auto const* const value = ReadEnvironmentVariable(name);
    if (value == nullptr || *value == '\0') continue;
    out << "mtlspop: " << name
        << " is set: the program can sign in with it past the gateway, and its tokens are not bound then\n";
  }
  out.flush();
}

int Run(RunOptions const& options, SharedOptions const& shared, Terminal& terminal) {
  // First: it wants to see the descriptors and the signals as they were given to this process.
  ProgramRunner runner;
  HideMemory();
  auto transport = MakeTransportOptions(shared.Connection);
  GatewayOptions gateway;
  gateway.Observer = transport.Observer;
  auto const surroundings = MakeSurroundings(shared.Connection);
  gateway.Credential = MakeCredentialFactory(shared.Identity, surroundings);
  if (options.BearerForOthers) gateway.BearerForOthers = MakeBearerFactory(shared.Identity, surroundings);
  gateway.Transport = std::move(transport);
  gateway.Hosts = options.Hosts;
  gateway.StatusPort = options.StatusPort;
  auto const running = Gateway::Start(std::move(gateway));
  if (running->StatusPort() != 0)
    terminal.Error << "mtlspop: status on 127.0.0.1:" << running->StatusPort() << std::endl;
  WarnOfOtherCredentials(terminal.Error);
  auto const program = shared.Program.empty() ? std::vector<std::string>{options.Program} : shared.Program;
  auto const status = runner.Run({program, running->EnvironmentForChild(), Gateway::RemovedFromChild()});
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
  app->add_option("--status-port", options->StatusPort, "Answer /live, /ready and /metrics on this port of 127.0.0.1")
      ->type_name("PORT");
  app->add_option("program", options->Program, "-- and the program with its arguments")->required();
  return {
      app, [options](SharedOptions const& shared, Terminal& terminal) { return Run(*options, shared, terminal); },
      &ExitOf};
}

}  // namespace mtlspop::command
