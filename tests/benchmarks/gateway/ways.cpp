#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "gateway/contenders.hpp"
#include "gateway/gateway_bench.hpp"
#include "gateway/load.hpp"
#include "support/processors.hpp"
#include "support/rounds.hpp"
#include "transport/bench_server.hpp"
#include "transport/own_peer.hpp"

namespace mtlspop::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int Rounds = 21;
constexpr int LargeRounds = 5;
constexpr std::uint64_t LargeBytes = std::uint64_t{1} << 30U;
constexpr std::size_t Connections = 64;

/// Microseconds of each request.
class Times final {
 public:
  template <typename Work>
  void Take(Work const& work) {
    auto const begin = SteadyClock::now();
    work();
    all_.push_back(std::chrono::duration<double, std::micro>(SteadyClock::now() - begin).count());
  }
  double Middle() const { return Median(all_); }

 private:
  std::vector<double> all_;
};

std::string HostOf(Scenario const& scenario) { return "localhost:" + std::to_string(scenario.Port); }

/// Everything on one processor, since client, gateway and server take turns anyway.
void BenchLatency(Report& report, test::Emulator const& emulator, BenchOptions const& options) {
  std::string const name = "keep-alive GET through the unix socket";
  if (!options.Wants(name)) return;
  OneProcessor const one{AllowedProcessors().back()};
  BenchServer const server;
  auto const scenario = server.KeepAlive(false);
  auto const gateway = StartGateway(emulator, scenario);
  auto const nginx = StartNginx(scenario);
  auto const direct = MakeOwnPeer(scenario);
  PlainConnection through{gateway->WayIn};
  PlainConnection throughNginx{nginx->WayIn};
  auto const request = PlainRequest(scenario.Path, HostOf(scenario));
  int const count = options.Quick ? 50 : 400;
  Times directTimes;
  Times gatewayTimes;
  Times nginxTimes;
  auto const repeat = [count](auto& times, auto const& work) {
    for (int done = 0; done < count; ++done) times.Take(work);
  };
  TakeTurns(
      {{"direct", [&] { repeat(directTimes, [&] { direct->Get(); }); }},
       {"gateway", [&] { repeat(gatewayTimes, [&] { through.Exchange(request); }); }},
       {"nginx", [&] { repeat(nginxTimes, [&] { throughNginx.Exchange(request); }); }}},
      Rounds);
  char note[128];
  std::snprintf(
      note, sizeof note, "medians: gateway %.1f us, direct %.1f us, nginx adds %.1f us", gatewayTimes.Middle(),
      directTimes.Middle(), nginxTimes.Middle() - directTimes.Middle());
  report.Add({name + ": added", gatewayTimes.Middle() - directTimes.Middle(), "us", 60.0, false, note});
}

/// One processor for whoever is measured, another for the client and the server behind.
class Stage final {
 public:
  Stage() : processors_(AllowedProcessors()), here_(processors_.front()) {}
  template <typename Start>
  auto OnItsOwn(Start const& start) const {
    OneProcessor const its{processors_.back()};
    return start();
  }

 private:
  std::vector<int> processors_;
  OneProcessor here_;
};

void BenchThroughput(Report& report, test::Emulator const& emulator, BenchOptions const& options) {
  auto const name = std::to_string(Connections) + " connections, throughput";
  if (!options.Wants(name)) return;
  Stage const stage;
  BenchServer const server;
  auto const scenario = server.KeepAlive(false);
  auto const gateway = stage.OnItsOwn([&] { return StartGateway(emulator, scenario); });
  auto const nginx = stage.OnItsOwn([&] { return StartNginx(scenario); });
  auto const stunnel = stage.OnItsOwn([&] { return StartStunnel(scenario); });
  auto const request = PlainRequest(scenario.Path, HostOf(scenario));
  std::uint64_t const count = options.Quick ? 1'000 : 8'000;

  Load gatewayLoad{gateway->WayIn, request, Connections};
  Load nginxLoad{nginx->WayIn, request, Connections};
  auto const run = [count](Load& load) {
    if (load.Run(count).Succeeded() != count) throw std::runtime_error("a request under load failed");
  };
  std::vector<Contender> contenders{{"gateway", [&] { run(gatewayLoad); }}, {"nginx", [&] { run(nginxLoad); }}};
  std::optional<Load> stunnelLoad;
  if (stunnel) {
    stunnelLoad.emplace(stunnel->WayIn, request, Connections);
    contenders.push_back({"stunnel", [&] { run(*stunnelLoad); }});
  }
  auto const times = TakeTurns(contenders, Rounds);
  auto const perSecond = [&](std::size_t index) { return static_cast<double>(count) / Median(times[index]); };
  char note[128];
  std::snprintf(note, sizeof note, "gateway %.0f/s, nginx %.0f/s", perSecond(0), perSecond(1));
  report.Add({name + " / nginx's", MedianRatio(times[1], times[0]), "x", 0.8, true, note});
  if (stunnel) {
    std::snprintf(note, sizeof note, "stunnel %.0f/s", perSecond(2));
    report.Add({name + " / stunnel's", MedianRatio(times[2], times[0]), "x", 1.0, true, note});
  } else {
    std::fprintf(stderr, "   stunnel is not installed: not compared with it\n");
  }
}

/// A body of zeros.
void Put(PlainConnection& connection, std::string const& path, std::string const& host, std::uint64_t bytes) {
  static std::vector<char> const zeros(std::size_t{64} * 1024);
  auto const head =
      "PUT " + path + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n";
  connection.WriteAll(head.data(), head.size());
  for (auto left = bytes; left != 0; left -= zeros.size()) connection.WriteAll(zeros.data(), zeros.size());
  connection.ReadAnswer();
}

void BenchLarge(Report& report, test::Emulator const& emulator, BenchOptions const& options) {
  if (!options.Wants("1 GiB down") && !options.Wants("1 GiB up")) return;
  Stage const stage;
  BenchServer const server;
  auto const scenario = server.KeepAlive(false);
  auto const gateway = stage.OnItsOwn([&] { return StartGateway(emulator, scenario); });
  auto const nginx = stage.OnItsOwn([&] { return StartNginx(scenario); });
  PlainConnection through{gateway->WayIn};
  PlainConnection throughNginx{nginx->WayIn};
  auto const host = HostOf(scenario);
  auto const down = PlainRequest("/large", host);
  auto const bytes = options.Quick ? LargeBytes / 16 : LargeBytes;
  auto const measure = [&](std::string const& name, auto const& gatewayWork, auto const& nginxWork) {
    if (!options.Wants(name)) return;
    gatewayWork();
    auto const before = gateway->Status("VmHWM");
    auto const times = TakeTurns({{"gateway", gatewayWork}, {"nginx", nginxWork}}, LargeRounds);
    char note[96];
    std::snprintf(note, sizeof note, "gateway %.2f s, nginx %.2f s", Median(times[0]), Median(times[1]));
    report.Add({name + ", throughput / nginx's", MedianRatio(times[1], times[0]), "x", 0.7, true, note});
    report.Add(
        {name + ", the gateway's memory grows by", (gateway->Status("VmHWM") - before) / 1024, "MiB", 1.0, false,
         "at its highest " + std::to_string(static_cast<int>(before / 1024)) + " MiB"});
  };
  measure(
      "1 GiB down", [&] { through.Exchange(down); }, [&] { throughNginx.Exchange(down); });
  measure(
      "1 GiB up", [&] { Put(through, "/up/gateway", host, bytes); },
      [&] { Put(throughNginx, "/up/nginx", host, bytes); });
}

}  // namespace

void BenchWays(Report& report, BenchOptions const& options) {
  test::Emulator const emulator;
  BenchLatency(report, emulator, options);
  BenchThroughput(report, emulator, options);
  BenchLarge(report, emulator, options);
}

}  // namespace mtlspop::bench
