#include "adapters/in_flight.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <thread>

#include <cpprest/http_client.h>
#include <pplx/threadpool.h>

#include "adapters/cpprest_clients.hpp"

namespace mtlspop::bench {
namespace {

using Seconds = std::chrono::duration<double>;

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

  double MostThreads() const noexcept { return threads_; }
  double MostMemory() const noexcept { return memory_; }

 private:
  void Run() {
    while (!isEnding_) {
      threads_ = std::max(threads_.load(), ProcessStatus("Threads"));
      memory_ = std::max(memory_.load(), ProcessStatus("VmRSS"));
      std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }
  }

  std::atomic<bool> isEnding_{false};
  std::atomic<double> threads_{0};
  std::atomic<double> memory_{0};
  std::thread thread_;
};

}  // namespace

int RunInFlight(std::vector<std::string> const& arguments) {
  auto const task = BeginInFlightTask(arguments);
  auto client = task.What == "bound" ? MakeBoundClient(task.Server, task.Count) : MakePlainClient(task.Server);
  crossplat::threadpool::shared_instance();

  Sampler const sampler;
  auto const threads = ProcessStatus("Threads");
  auto const memory = ProcessStatus("VmRSS");
  auto const begin = std::chrono::steady_clock::now();
  std::atomic<int> answered{0};
  std::vector<pplx::task<void>> tasks;
  for (std::size_t index = 0; index < task.Count; ++index) {
    tasks.push_back(client.request(web::http::methods::GET, "/late")
                        .then([](web::http::http_response const& response) { return response.content_ready(); })
                        .then([&answered, index](pplx::task<web::http::http_response> const& ready) {
                          try {
                            if (ready.get().status_code() == web::http::status_codes::OK) ++answered;
                          } catch (std::exception const& error) {
                            if (index % 1000 == 0) std::cerr << error.what() << '\n';
                          }
                        }));
  }
  for (auto const& sent : tasks) sent.wait();
  Seconds const took = std::chrono::steady_clock::now() - begin;
  PrintInFlightResult(
      {answered, sampler.MostThreads() - threads, (sampler.MostMemory() - memory) / static_cast<double>(task.Count),
       took.count()});
  return 0;
}

void BenchInFlight(Report& report, BenchServer const& server, BenchOptions const& options) {
  auto const count = std::size_t{options.Quick ? 2'000U : 10'000U};
  auto const name = std::to_string(count) + " of cpprestsdk in flight, answers after 2 s";
  if (!options.Wants(name)) return;
  auto scenario = server.KeepAlive(false);
  auto const process = StartLateServer(server, scenario);

  auto const bound = RunInFlightProcess({"bound", scenario, count});
  auto const plain = RunInFlightProcess({"plain", scenario, count});
  char note[160];
  std::snprintf(note, sizeof note, "plain %d", plain.Ended);
  report.Add({name + ": answered", static_cast<double>(bound.Ended), "", static_cast<double>(count), true, note});
  std::snprintf(note, sizeof note, "plain %.0f more, beside cpprestsdk's forty", plain.Threads);
  report.Add({name + ": threads of ours", bound.Threads, "", std::thread::hardware_concurrency() + 8.0, false, note});
  std::snprintf(note, sizeof note, "plain %.1f KiB", plain.KibEach);
  report.Add({name + ": resident memory each", bound.KibEach, "KiB", 32.0, false, note});
  std::snprintf(note, sizeof note, "bound %.1f s, plain %.1f s", bound.Took, plain.Took);
  report.Add({name + ": time, bound / plain", bound.Took / plain.Took, "x", 1.0, false, note});
}

}  // namespace mtlspop::bench
