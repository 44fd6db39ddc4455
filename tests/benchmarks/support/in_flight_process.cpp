#include "support/in_flight_process.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <stdexcept>

#include "adapters/late_server.hpp"

namespace mtlspop::bench {

std::unique_ptr<test::ServerProcess> StartLateServer(BenchServer const& server, Scenario& scenario) {
  scenario.Port = test::ReserveLoopbackPort();
  auto const certificate = server.ServersOwn();
  auto process = std::make_unique<test::ServerProcess>(test::ServerCommand{
      {"/proc/self/exe", LateServerMode, std::to_string(scenario.Port), scenario.CaFile, certificate.CertificatePath,
       certificate.PrivateKeyPath, "2000"},
      {},
      SIGTERM});
  process->WaitUntilListening(scenario.Port);
  return process;
}

InFlightResult RunInFlightProcess(InFlightTask const& task) {
  auto const quoted = [](std::string const& text) { return " '" + text + "'"; };
  std::string const command = "/proc/" + std::to_string(::getpid()) + "/exe " + InFlightMode + " " + task.What + " " +
                              std::to_string(task.Server.Port) + quoted(task.Server.CaFile) +
                              quoted(task.Server.CertificateFile) + quoted(task.Server.PrivateKeyFile) + " " +
                              std::to_string(task.Count);
  std::unique_ptr<FILE, int (*)(FILE*)> const output{::popen(command.c_str(), "r"), &::pclose};
  InFlightResult found;
  if (!output ||
      std::fscanf(output.get(), "%d %lf %lf %lf", &found.Ended, &found.Threads, &found.KibEach, &found.Took) != 4) {
    throw std::runtime_error("the process with the requests in flight failed: " + task.What);
  }
  return found;
}

InFlightTask BeginInFlightTask(std::vector<std::string> const& arguments) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  InFlightTask task;
  task.What = arguments.at(0);
  task.Server.Port = static_cast<std::uint16_t>(std::stoi(arguments.at(1)));
  task.Server.CaFile = arguments.at(2);
  task.Server.CertificateFile = arguments.at(3);
  task.Server.PrivateKeyFile = arguments.at(4);
  task.Count = std::stoul(arguments.at(5));
  return task;
}

void PrintInFlightResult(InFlightResult const& result) {
  std::printf("%d %.0f %.2f %.2f\n", result.Ended, result.Threads, result.KibEach, result.Took);
}

double ProcessStatus(std::string const& field, std::string const& process) {
  std::ifstream status{"/proc/" + process + "/status"};
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field + ":", 0) == 0) return std::stod(line.substr(field.size() + 1));
  }
  return 0;
}

}  // namespace mtlspop::bench
