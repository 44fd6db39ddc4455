#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "gateway/contenders.hpp"
#include "gateway/gateway_bench.hpp"
#include "gateway/load.hpp"

namespace mtlspop::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t Connections = 64;
/// Each certificate's; it is replaced when half of it is over.
constexpr char const* CertificateLifetime = "8s";
constexpr std::chrono::milliseconds Reloading{700};
constexpr std::chrono::milliseconds Cutting{300};
constexpr int CutAtATime = 4;
/// Longer than connections to a server stay idle.
constexpr std::chrono::seconds Quiet{90};

std::uint64_t RequestCount(bool isQuick) {
  auto const* const text = std::getenv(RequestsVariable);
  if (text != nullptr) return std::strtoull(text, nullptr, 10);
  return isQuick ? 5'000 : 60'000;
}

/// What the gateway is exposed to while it serves.
class Trouble final {
 public:
  Trouble(test::Emulator const& emulator, Gatekeeper const& gateway) : emulator_(emulator), gateway_(gateway) {}

  void Tick() {
    auto const now = SteadyClock::now();
    if (now >= nextReload_) {
      gateway_.Signal(SIGHUP);
      nextReload_ = now + Reloading;
      ++Reloads;
    }
    if (now >= nextCut_) {
      // Before, in the middle and at the end of what is said.
      for (char const* const where : {"after-head", "before-response", "mid-response"}) {
        emulator_.ArmFault(
            {{"path", "/secrets/"},
             {"service", "vault"},
             {"count", CutAtATime},
             {"fault", {{"cut", where}, {"reset", Cuts % 2 == 0}}}});
        Cuts += CutAtATime;
      }
      nextCut_ = now + Cutting;
    }
  }

  std::uint64_t Reloads = 0;
  std::uint64_t Cuts = 0;

 private:
  test::Emulator const& emulator_;
  Gatekeeper const& gateway_;
  SteadyClock::time_point nextReload_{};
  SteadyClock::time_point nextCut_{};
};

/// Waits until connections that nobody needs are gone.
double LeakedDescriptors(Gatekeeper const& gateway, std::size_t before) {
  auto const deadline = SteadyClock::now() + Quiet;
  while (gateway.Descriptors() > before && SteadyClock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds{200});
  }
  auto const now = gateway.Descriptors();
  return now > before ? static_cast<double>(now - before) : 0;
}

}  // namespace

void BenchFire(Report& report, BenchOptions const& options) {
  auto const count = RequestCount(options.Quick);
  auto const name = std::to_string(count) + " requests under fire";
  if (!options.Wants(name)) return;
  test::Emulator const emulator{{"--certificate-lifetime", CertificateLifetime, "--log-limit", "1000"}};
  ServedOptions served;
  auto const vault = emulator.Startup().at("vault_host").get<std::string>();
  served.Origins = {"/=https://" + vault};
  ServedGateway const gateway{emulator, std::move(served)};
  auto const request = PlainRequest("/secrets/boundsecret?api-version=7.4", vault);
  // All that it keeps for ever is there after the first request.
  Load{gateway.WayIn, request, 1}.Run(1);
  auto const descriptors = gateway.Descriptors();

  Load load{gateway.WayIn, request, Connections};
  Trouble trouble{emulator, gateway};
  auto const begin = SteadyClock::now();
  auto const tally = load.Run(count, [&] { trouble.Tick(); });
  auto const took = std::chrono::duration<double>(SteadyClock::now() - begin).count();
  load.Close();
  auto const seen = emulator.Get("statistics");

  auto const failed = tally.Total() - tally.Succeeded();
  char note[160];
  std::string statuses;
  for (auto const& [status, requests] : tally.Answered) {
    statuses += std::to_string(status) + ": " + std::to_string(requests) + ", ";
  }
  std::snprintf(
      note, sizeof note, "%sbroken off: %d; armed cuts: %d; %.0f s", statuses.c_str(), static_cast<int>(tally.Broken),
      static_cast<int>(trouble.Cuts), took);
  auto const unexplained = failed > trouble.Cuts ? failed - trouble.Cuts : 0;
  report.Add(
      {name + ": lost, beside those whose connection was cut", static_cast<double>(unexplained), "", 0.0, false, note});
  std::snprintf(
      note, sizeof note, "%d certificates, %d reloads", seen.at("credentials_issued").get<int>(),
      static_cast<int>(trouble.Reloads));
  report.Add({name + ": mismatches", seen.at("mismatches").get<double>(), "", 0.0, false, note});
  report.Add({name + ": descriptors that stay", LeakedDescriptors(gateway, descriptors), "", 0.0, false, ""});
}

}  // namespace mtlspop::bench
