#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "gateway/contenders.hpp"
#include "gateway/gateway_bench.hpp"
#include "gateway/load.hpp"
#include "support/in_flight_process.hpp"
#include "transport/bench_server.hpp"

namespace mtlspop::bench {
namespace {

std::string RequestFor(Scenario const& scenario) {
  return PlainRequest(scenario.Path, "localhost:" + std::to_string(scenario.Port));
}

/// Clients that have been served once, and stay.
void BenchIdle(Report& report, test::Emulator const& emulator, BenchServer const& server, BenchOptions const& options) {
  auto const count = std::size_t{options.Quick ? 2'000U : 10'000U};
  auto const name = std::to_string(count) + " idle client connections, each";
  if (!options.Wants(name)) return;
  auto const scenario = server.KeepAlive(false);
  auto const gateway = StartGateway(emulator, scenario);
  auto const request = RequestFor(scenario);
  Load{gateway->WayIn, request, 1}.Run(1);
  auto const before = gateway->Status("VmRSS");
  std::vector<PlainConnection> idle;
  idle.reserve(count);
  while (idle.size() < count) idle.emplace_back(gateway->WayIn).Exchange(request);
  auto const each = (gateway->Status("VmRSS") - before) / static_cast<double>(count);
  report.Add({name, each, "KiB", 16.0, false, "after a request on each"});
}

void BenchInFlight(
    Report& report, test::Emulator const& emulator, BenchServer const& server, BenchOptions const& options) {
  constexpr std::size_t count = 2'000;
  auto const name = std::to_string(count) + " requests in flight, answers after 2 s";
  if (!options.Wants(name)) return;
  auto scenario = server.KeepAlive(false);
  auto const late = StartLateServer(server, scenario);
  auto const gateway = StartGateway(emulator, scenario);
  Load load{gateway->WayIn, RequestFor(scenario), count};
  double threads = 0;
  auto const tally = load.Run(count, [&] { threads = std::max(threads, gateway->Status("Threads")); });
  auto const processors = static_cast<double>(std::thread::hardware_concurrency());
  report.Add({name + ": answered", static_cast<double>(tally.Succeeded()), "", static_cast<double>(count), true, ""});
  report.Add({name + ": the gateway's threads", threads, "", processors + 8, false, "its first one among them"});
}

}  // namespace

void BenchCrowds(Report& report, BenchOptions const& options) {
  BenchServer const server;
  test::Emulator const emulator;
  BenchIdle(report, emulator, server, options);
  BenchInFlight(report, emulator, server, options);
}

}  // namespace mtlspop::bench
