#include "adapters/in_flight.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <cpprest/http_client.h>
#include <pplx/threadpool.h>

#include "adapters/cpprest_clients.hpp"
#include "adapters/late_server.hpp"
#include "support/server_process.hpp"

namespace mtlspop::bench {
namespace {

using Seconds = std::chrono::duration<double>;

/// What the kernel says of this process: "Threads" in their number, "VmRSS" in KiB.
std::uint64_t StatusOf(std::string const& field) {
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field + ":", 0) == 0) return std::stoull(line.substr(field.size() + 1));
  }
  return 0;
}

/// Looks at this process twenty times a second.
class Sampler final {
 public:
  Sampler() : thread_([this] { Run(); }) {}
  ~Sampler() {
    isEnding_ = true;
    thread_.join();
  }
  Sampler(Sampler const&) = delete;
  Sampler& operator=(Sampler const&) = delete;

  std::uint64_t MostThreads() const noexcept { return threads_; }
  std::uint64_t MostMemory() const noexcept { return memory_; }

 private:
  void Run() {
    while (!isEnding_) {
      threads_ = std::max<std::uint64_t>(threads_, StatusOf("Threads"));
      memory_ = std::max<std::uint64_t>(memory_, StatusOf("VmRSS"));
      std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }
  }

  std::atomic<bool> isEnding_{false};
  std::atomic<std::uint64_t> threads_{0};
  std::atomic<std::uint64_t> memory_{0};
  std::thread thread_;
};

struct Found {
  int Answered = 0;
  int Threads = 0;
  double KibEach = 0;
  double Took = 0;
};

std::string Quoted(std::string const& text) { return "'" + text + "'"; }

Found RunContender(std::string const& kind, Scenario const& scenario, int count) {
  std::string const command = "/proc/" + std::to_string(::getpid()) + "/exe " + InFlightMode + " " + kind + " " +
                              std::to_string(scenario.Port) + " " + Quoted(scenario.CaFile) + " " +
                              Quoted(scenario.CertificateFile) + " " + Quoted(scenario.PrivateKeyFile) + " " +
                              std::to_string(count);
  std::unique_ptr<FILE, int (*)(FILE*)> const output{::popen(command.c_str(), "r"), &::pclose};
  if (!output) throw std::runtime_error("no process for " + kind);
  Found found;
  if (std::fscanf(output.get(), "%d %d %lf %lf", &found.Answered, &found.Threads, &found.KibEach, &found.Took) != 4) {
    throw std::runtime_error("the process with the requests of the " + kind + " client failed");
  }
  return found;
}

}  // namespace

int RunInFlight(std::vector<std::string> const& arguments) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  Scenario scenario;
  scenario.Port = static_cast<std::uint16_t>(std::stoi(arguments.at(1)));
  scenario.CaFile = arguments.at(2);
  scenario.CertificateFile = arguments.at(3);
  scenario.PrivateKeyFile = arguments.at(4);
  auto const count = std::stoi(arguments.at(5));
  bool const isBound = arguments.at(0) == "bound";
  auto client = isBound ? MakeBoundClient(scenario, static_cast<std::size_t>(count)) : MakePlainClient(scenario);
  crossplat::threadpool::shared_instance();

  Sampler const sampler;
  auto const threads = StatusOf("Threads");
  auto const memory = StatusOf("VmRSS");
  auto const begin = std::chrono::steady_clock::now();
  std::atomic<int> answered{0};
  std::vector<pplx::task<void>> tasks;
  for (int index = 0; index < count; ++index) {
    tasks.push_back(client.request(web::http::methods::GET, "/late")
                        .then([](web::http::http_response const& response) { return response.content_ready(); })
                        .then([&](pplx::task<web::http::http_response> const& ready) {
                          try {
                            if (ready.get().status_code() == web::http::status_codes::OK) ++answered;
                          } catch (std::exception const& error) {
                            if (index % 1000 == 0) std::cerr << error.what() << '\n';
                          }
                        }));
  }
  for (auto const& task : tasks) task.wait();
  Seconds const took = std::chrono::steady_clock::now() - begin;
  std::printf(
      "%d %d %.2f %.2f\n", answered.load(), static_cast<int>(sampler.MostThreads() - threads),
      static_cast<double>(sampler.MostMemory() - memory) / count, took.count());
  return 0;
}

void BenchInFlight(Report& report, BenchServer const& server, BenchOptions const& options) {
  auto const count = options.Quick ? 2'000 : 10'000;
  auto const name = std::to_string(count) + " of cpprestsdk in flight, answers after 2 s";
  if (!options.Wants(name)) return;
  auto scenario = server.KeepAlive(false);
  scenario.Port = test::ReserveLoopbackPort();
  auto const certificate = server.ServersOwn();
  test::ServerProcess process{test::ServerCommand{
      {"/proc/self/exe", LateServerMode, std::to_string(scenario.Port), scenario.CaFile, certificate.CertificatePath,
       certificate.PrivateKeyPath, "2000"},
      {},
      SIGTERM}};
  process.WaitUntilListening(scenario.Port);

  auto const bound = RunContender("bound", scenario, count);
  auto const plain = RunContender("plain", scenario, count);
  char note[160];
  std::snprintf(note, sizeof note, "plain %d", plain.Answered);
  report.Add({name + ": answered", static_cast<double>(bound.Answered), "", static_cast<double>(count), true, note});
  std::snprintf(note, sizeof note, "plain %d more, beside cpprestsdk's forty", plain.Threads);
  report.Add(
      {name + ": threads of ours", static_cast<double>(bound.Threads), "", std::thread::hardware_concurrency() + 8.0,
       false, note});
  std::snprintf(note, sizeof note, "plain %.1f KiB", plain.KibEach);
  report.Add({name + ": resident memory each", bound.KibEach, "KiB", 32.0, false, note});
  std::snprintf(note, sizeof note, "bound %.1f s, plain %.1f s", bound.Took, plain.Took);
  report.Add({name + ": time, bound / plain", bound.Took / plain.Took, "x", 1.0, false, note});
}

}  // namespace mtlspop::bench
