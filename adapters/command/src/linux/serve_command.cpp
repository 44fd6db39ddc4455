#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <memory>
#include <optional>
#include <ostream>
#include <string_view>

#include <gsl/util>

#include "gateway/line_writer.hpp"
#include "gateway/served_origin.hpp"
#include "gateway/server.hpp"
#include "gateway/service_manager.hpp"
#include "mtlspop/base/unbuffered_file.hpp"
#include "platform.hpp"
#include "subcommand.hpp"

namespace mtlspop::command {
namespace {

struct ServeOptions {
  std::vector<std::string> Origins;
  std::string Socket;
  std::string Group;
  std::optional<std::uint16_t> Port;
  std::string SecretFile;
  std::optional<std::uint16_t> StatusPort;
  bool AccessLog = false;
};

std::vector<gateway::ServedOrigin> OriginsFrom(std::vector<std::string> const& texts) {
  std::vector<gateway::ServedOrigin> origins;
  for (auto const& text : texts) origins.push_back(gateway::ParseServedOrigin(text));
  return origins;
}

[[noreturn]] void RefuseSecretFile(std::string const& path, char const* why) {
  throw Error{
      {errors::InvalidArgument, "The gateway's secret in " + path + " cannot be used: " + why,
       "Write at least 32 random characters into the file, and make it readable for its user alone (chmod 600)"}};
}

constexpr std::size_t MostSecretBytes = 4096;

Secret SecretFrom(std::string const& path) {
  if (path.empty()) return {};
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) RefuseSecretFile(path, "it is not there");
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) RefuseSecretFile(path, "others may read it");
  std::array<char, MostSecretBytes + 1> content;
  auto const cleanse = gsl::finally([&] { Cleanse(content.data(), content.size()); });
  auto const size = ReadUnbuffered(path, content);
  if (size == 0) RefuseSecretFile(path, "it cannot be read, or is empty");
  if (size > MostSecretBytes) RefuseSecretFile(path, "it is larger than 4,096 bytes");
  std::string_view const text{content.data(), size};
  return Secret{text.substr(0, text.find('\n'))};
}

ServerOptions ServerOptionsFrom(ServeOptions const& options, SharedOptions const& shared) {
  ServerOptions server;
  server.Inherited = gateway::TakeInheritedSockets();
  server.Transport = MakeTransportOptions(shared.Connection);
  server.Observer = server.Transport.Observer;
  server.Credential = MakeCredentialFactory(shared.Identity, MakeSurroundings(shared.Connection));
  server.Origins = OriginsFrom(options.Origins);
  server.SocketPath = options.Socket;
  server.SocketGroup = options.Group;
  server.Port = options.Port;
  server.PortSecret = SecretFrom(options.SecretFile);
  server.StatusPort = options.StatusPort;
  return server;
}

sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int const signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

/// The origins that the configuration file names now.
std::vector<std::string> OriginsInFile(CLI::App const& root, std::string const& path) {
  std::vector<std::string> origins;
  for (auto const& item : root.get_config_formatter()->from_file(path)) {
    bool const isOurs = item.name == "origin" && item.parents == std::vector<std::string>{"serve"};
    if (isOurs) origins.insert(origins.end(), item.inputs.begin(), item.inputs.end());
  }
  return origins;
}

bool HasFile(CLI::App const& root) {
  auto const* const config = root.get_config_ptr();
  return config != nullptr && config->count() > 0;
}

/// Whether these origins stand in the configuration file, and were not given on the command line, which wins.
bool AreOfFile(std::vector<std::string> const& origins, CLI::App const& root) {
  return HasFile(root) && OriginsInFile(root, root.get_config_ptr()->as<std::string>()) == origins;
}

void Reload(Server& server, CLI::App const& root, bool areOfFile, std::ostream& out) {
  if (!areOfFile) {
    out
        << (HasFile(root) ? "mtlspop: the origins stay as they were: they were given on the command line\n"
                          : "mtlspop: there is no configuration file to read again\n");
    return;
  }
  gateway::NotifyReloading();
  try {
    server.Reload(OriginsFrom(OriginsInFile(root, root.get_config_ptr()->as<std::string>())));
    out << "mtlspop: the origins were read again\n";
  } catch (std::exception const& error) {
    out << "mtlspop: the origins stay as they were: " << error.what() << '\n';
  }
  gateway::NotifyServiceManager("READY=1");
}

/// The next of these signals. Meanwhile the service manager is told that the server lives.
int AwaitSignal(sigset_t const& signals, Server& server) {
  auto const interval = gateway::WatchdogInterval();
  for (;;) {
    int signal = -1;
    if (interval) {
      auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(*interval);
      timespec const wait{
          static_cast<time_t>(seconds.count()),
          static_cast<long>(std::chrono::nanoseconds{*interval - seconds}.count())};
      signal = sigtimedwait(&signals, nullptr, &wait);
    } else {
      signal = sigwaitinfo(&signals, nullptr);
    }
    if (signal > 0) return signal;
    if (interval && errno == EAGAIN) server.NotifyAlive();
  }
}

int Serve(ServeOptions const& options, SharedOptions const& shared, CLI::App const& root, Terminal& terminal) {
  HideMemory();
  // Before there are threads, which get the mask.
  auto const signals = BlockSignals();
  auto start = ServerOptionsFrom(options, shared);
  std::optional<gateway::LineWriter> log;
  if (options.AccessLog) {
    log.emplace(STDOUT_FILENO);
    start.AccessLog = [&log](std::string_view line) { log->Write(line); };
  }
  bool const areOfFile = AreOfFile(options.Origins, root);
  auto const server = Server::Start(std::move(start));
  if (server->Port() != 0) terminal.Error << "mtlspop: serving on 127.0.0.1:" << server->Port() << '\n';
  if (server->StatusPort() != 0) terminal.Error << "mtlspop: status on 127.0.0.1:" << server->StatusPort() << '\n';
  terminal.Error << "mtlspop: ready" << std::endl;
  while (AwaitSignal(signals, *server) == SIGHUP) {
    Reload(*server, root, areOfFile, terminal.Error);
    terminal.Error.flush();
  }
  server->Stop();
  return 0;
}

}  // namespace

Subcommand AddServeCommand(CLI::App& root) {
  auto const options = std::make_shared<ServeOptions>();
  auto* const app = root.add_subcommand(
      "serve", "Serve the programs of this machine: plain requests in, requests with bound tokens out");
  app->add_option(
         "--origin", options->Origins,
         "[HOST]PATH=ORIGIN, and behind it methods=GET,PUT (default GET,HEAD), resource=URL, client-id=ID, each after "
         "a space; "
         "may be repeated, and is read again on SIGHUP")
      ->type_name("TEXT")
      ->allow_extra_args(false)
      ->required();
  app->add_option("--socket", options->Socket, "Listen on this unix socket, of mode 0600")->type_name("FILE");
  app->add_option("--group", options->Group, "Members of this group may use the socket too")->type_name("NAME");
  app->add_option("--port", options->Port, "Listen on this port of 127.0.0.1; 0 for any. Needs --secret-file")
      ->type_name("PORT");
  app->add_option("--secret-file", options->SecretFile, "What clients of the port show as x-mtlspop-secret")
      ->type_name("FILE");
  app->add_option("--status-port", options->StatusPort, "Answer /live, /ready and /metrics on this port of 127.0.0.1")
      ->type_name("PORT");
  app->add_flag("--access-log", options->AccessLog, "Write a line of JSON for each request to standard output");
  return {app, [options, &root](SharedOptions const& shared, Terminal& terminal) {
            return Serve(*options, shared, root, terminal);
          }};
}

}  // namespace mtlspop::command
