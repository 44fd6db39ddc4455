#include "subcommand.hpp"

#include <CLI/CLI.hpp>

namespace mtlspop::command {

void AddMaxTime(CLI::App& app, double& seconds) {
  app.add_option("-m,--max-time", seconds, "What it may take in all; 0 for no end")
      ->check(CLI::Range(0.0, 31'536'000.0))
      ->type_name("SECONDS")
      ->capture_default_str();
}

Context WithMaxTime(double seconds) {
  if (seconds <= 0) return {};
  return Context{}.WithTimeout(
      std::chrono::duration_cast<Context::Clock::duration>(std::chrono::duration<double>{seconds}));
}

CredentialSurroundings MakeSurroundings(ConnectionOptions const& connection) {
  auto options = MakeTransportOptions(connection);
  CredentialSurroundings surroundings;
  surroundings.Observer = options.Observer;
  surroundings.Transport = MakeHttpTransport(std::move(options)).get();
  return surroundings;
}

}  // namespace mtlspop::command
