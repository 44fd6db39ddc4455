/// @file
/// What a credential costs: a cached token, the first one, and a long run of rotations.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <malloc.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "azure_identity_peer.hpp"
#include "counters.hpp"
#include "credential/emulator.hpp"
#include "credential/fake_cloud.hpp"
#include "mtlspop/transport/environment.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "support/event.hpp"
#include "support/report.hpp"
#include "support/rounds.hpp"
#include "support/silent_listener.hpp"

namespace mtlspop::bench {
namespace {

using namespace std::chrono_literals;
using Seconds = std::chrono::duration<double>;
using SteadyClock = std::chrono::steady_clock;

/// A limit for what must not happen: a report divides by its limits.
constexpr double NoneAtAll = 1e-6;

std::string Format(char const* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// Runs `work` in `count` threads that start together, and waits for all.
template <typename Work>
void InThreads(int count, Work work) {
  std::vector<std::thread> threads;
  for (int index = 0; index < count; ++index) threads.emplace_back([&work, index] { work(index); });
  for (auto& thread : threads) thread.join();
}

/// Threads that wait for their next round, so that starting them is no part of it.
class Crew {
 public:
  Crew(int size, std::function<void()> work) : work_(std::move(work)) {
    for (int index = 0; index < size; ++index) threads_.emplace_back([this] { Loop(); });
  }
  ~Crew() {
    ending_ = true;
    ++round_;
    for (auto& thread : threads_) thread.join();
  }
  Crew(Crew const&) = delete;
  Crew& operator=(Crew const&) = delete;

  void RunRound() {
    left_ = static_cast<int>(threads_.size());
    ++round_;
    while (left_ != 0) std::this_thread::sleep_for(20us);
  }

 private:
  void Loop() {
    for (int seen = 0;;) {
      while (round_ == seen) std::this_thread::sleep_for(100us);
      seen = round_;
      if (ending_) return;
      work_();
      --left_;
    }
  }

  std::function<void()> work_;
  std::atomic<int> round_{0};
  std::atomic<int> left_{0};
  std::atomic<bool> ending_{false};
  std::vector<std::thread> threads_;
};

void BenchCached(Report& report, BenchOptions const& options) {
  test::ManagedIdentityWorld world;
  world.Options.Time = SystemClock();
  world.Options.Observer = {};
  auto& credential = world.Credential();
  auto const request = test::ManagedIdentityWorld::Request();
  auto const get = [&credential, &request] {
    if (credential.GetToken(request, {}).Token.Empty()) std::abort();
  };
  get();
  get();

  int const calls = options.Quick ? 100'000 : 400'000;
  auto const before = CountersOfThisThread();
  for (int index = 0; index < calls; ++index) get();
  auto const after = CountersOfThisThread();
  auto const perCall = [calls](std::uint64_t from, std::uint64_t to) { return static_cast<double>(to - from) / calls; };
  report.Add({"cached: allocations a call", perCall(before.Allocations, after.Allocations), "", NoneAtAll});
  report.Add({"cached: exclusive locks a call", perCall(before.ExclusiveLocks, after.ExclusiveLocks), "", NoneAtAll});

  // Short bursts, and the best of many: two threads are seen side by side only while the machine has two processors to
  // spare.
  constexpr int burstCalls = 10'000;
  int const rounds = options.Quick ? 60 : 400;
  auto const burst = [&get] {
    for (int index = 0; index < burstCalls; ++index) get();
  };
  Crew one{1, burst};
  Crew two{2, burst};
  std::vector<Contender> contenders{{"one", [&] { one.RunRound(); }}, {"two", [&] { two.RunRound(); }}};
  auto const peer = MakeAzureIdentityPeer();
  if (peer) {
    contenders.push_back({"azure", [&peer] {
                            for (int index = 0; index < burstCalls; ++index) peer();
                          }});
  }
  auto const times = TakeTurns(contenders, rounds);
  auto const best = [&times](std::size_t contender) {
    return *std::min_element(times[contender].begin(), times[contender].end());
  };
  report.Add(
      {"cached: two threads / one", 2 * best(0) / best(1), "x", 1.8, true,
       Format("%.0f ns a call at best", best(0) / burstCalls * 1e9)});
  if (!peer) {
    std::cout << "azure-identity-cpp was not found: the cached token has no peer to be compared with\n";
    return;
  }
  report.Add(
      {"cached: own / Azure::Identity", MedianRatio(times[0], times[2]), "x", 1.0, false,
       Format("%.0f ns a call at best", best(2) / burstCalls * 1e9)});
}

void BenchStampede(Report& report) {
  test::Emulator const emulator;
  auto options = emulator.CredentialOptions();
  options.Observer = {};
  ManagedIdentityCredential credential{options};
  constexpr int threads = 1000;
  std::atomic<int> ready{0};
  InThreads(threads, [&](int) {
    ++ready;
    while (ready < threads) std::this_thread::yield();
    if (credential.GetToken(test::VaultRequest(), {}).Token.Empty()) std::abort();
  });
  report.Add(
      {"1,000 first calls: platform metadata and its probe", double(emulator.Count("getplatformmetadata")), "requests",
       2.0});
  report.Add({"1,000 first calls: issue credential", double(emulator.Count("issuecredential")), "requests", 1.0});
  report.Add({"1,000 first calls: token", double(emulator.Count("oauth2/v2.0/token")), "requests", 1.0});
}

/// Says how long making the key took.
class TimedKeys final : public KeyProvider {
 public:
  KeyStrength HighestStrength() const noexcept override { return inner_->HighestStrength(); }
  gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(
      KeyRequest const& request, Context const& context) override {
    auto const begin = SteadyClock::now();
    auto key = inner_->GetOrCreateKey(request, context);
    Took = Seconds{SteadyClock::now() - begin}.count();
    return key;
  }
  double Took = 0;

 private:
  gsl::not_null<std::shared_ptr<KeyProvider>> inner_ = MakeSoftwareKeyProvider();
};

/// TCP connection and TLS 1.2 handshake with the client's certificate, by OpenSSL alone: seconds.
double BareHandshake(std::uint16_t port, BindingCertificate const& binding, std::string const& caFile) {
  using ContextPtr = std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)>;
  ContextPtr const context{SSL_CTX_new(TLS_client_method()), SSL_CTX_free};
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_load_verify_file(context.get(), caFile.c_str());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  auto const& leaf = binding.Leaf();
  SSL_CTX_use_certificate_ASN1(context.get(), static_cast<int>(leaf.size()), leaf.data());
  SSL_CTX_use_PrivateKey(context.get(), openssl::GetPrivateKey(binding.Key()));

  auto const begin = SteadyClock::now();
  int const connection = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
  std::unique_ptr<SSL, void (*)(SSL*)> const ssl{SSL_new(context.get()), SSL_free};
  SSL_set_fd(ssl.get(), connection);
  if (SSL_connect(ssl.get()) != 1) std::abort();
  double const took = Seconds{SteadyClock::now() - begin}.count();
  ::close(connection);
  return took;
}

/// What the emulator itself was busy with since its counters were cleared: seconds.
double EmulatorsOwnTime(test::Emulator const& emulator) {
  double microseconds = 0;
  auto const statistics = emulator.Get("statistics");
  for (auto const& entry : statistics.at("requests")) microseconds += entry.at("busy_us").get<double>();
  return microseconds * 1e-6;
}

void BenchFirstSecret(Report& report, BenchOptions const& benchOptions) {
  test::Emulator const emulator;
  std::uint16_t const port = Url::Parse(emulator.Startup().at("sts").get<std::string>()).Port();
  std::string const caFile = emulator.Startup().at("ca_file");
  std::vector<double> ratios;
  std::vector<double> totals;
  std::vector<double> keys;
  std::vector<double> handshakes;
  std::vector<double> services;
  for (int round = 0; round < (benchOptions.Quick ? 5 : 30); ++round) {
    auto const timedKeys = std::make_shared<TimedKeys>();
    auto options = emulator.CredentialOptions();
    options.Observer = {};
    options.Keys = timedKeys;
    options.Transport = MakeHttpTransport(emulator.MakeTransportOptions()).get();
    double const ownBefore = EmulatorsOwnTime(emulator);
    auto const begin = SteadyClock::now();
    ManagedIdentityCredential credential{options};
    auto const token = credential.GetToken(test::VaultRequest(), {});
    if (emulator.ReadSecretOver(*options.Transport, token) != 200) std::abort();
    totals.push_back(Seconds{SteadyClock::now() - begin}.count());
    services.push_back(EmulatorsOwnTime(emulator) - ownBefore);
    keys.push_back(timedKeys->Took);
    std::vector<double> bare;
    for (int index = 0; index < 5; ++index) bare.push_back(BareHandshake(port, *token.Binding, caFile));
    handshakes.push_back(Median(bare));
    ratios.push_back(totals.back() / (keys.back() + 2 * handshakes.back() + services.back()));
  }
  std::string const note = Format("total %.1f ms", Median(totals) * 1e3) + Format(", key %.1f", Median(keys) * 1e3) +
                           Format(", two handshakes %.1f", 2 * Median(handshakes) * 1e3) +
                           Format(", emulator %.1f", Median(services) * 1e3);
  report.Add({"from nothing to the first secret / its parts", Median(ratios), "x", 1.1, false, note});
}

/// The first request of a credential that cannot have a bound token, in seconds. What the error says where one is due is
/// checked.
double ColdStart(ManagedIdentityCredentialOptions options, TokenBinding binding, std::string const& expected) {
  options.Observer = {};
  options.Binding = binding;
  // What the process knows, it knows of a transport and an address.
  options.Transport = MakeHttpTransport(TransportOptionsFromEnvironment()).get();
  auto const begin = SteadyClock::now();
  std::string said;
  try {
    ManagedIdentityCredential credential{options};
    said = credential.GetToken(test::VaultRequest(), {}).Type == TokenType::Bearer ? "bearer" : "bound";
  } catch (Error const& error) {
    said = error.what();
  }
  double const took = Seconds{SteadyClock::now() - begin}.count();
  if (said.find(expected) == std::string::npos) throw std::runtime_error("a cold start ended with: " + said);
  return took;
}

void BenchColdStarts(Report& report) {
  test::Emulator const version1{{"--imds", "v1"}};
  auto const v1 = version1.CredentialOptions();
  report.Add(
      {"cold, host with v1 only, preferred: bearer token", ColdStart(v1, TokenBinding::Preferred, "bearer"), "s", 1.2});
  report.Add(
      {"cold, host with v1 only, required: error",
       ColdStart(v1, TokenBinding::Required, "mtls_pop_not_supported_in_imds_v1"), "s", 1.2});

  test::SilentListener const silent{"127.0.0.1"};
  auto const address = "http://127.0.0.1:" + std::to_string(silent.Port());
  auto options = v1;
  options.ImdsEndpoint.clear();
  options.Environment = [address](char const* name) {
    return std::string{name} == "AZURE_POD_IDENTITY_AUTHORITY_HOST" ? address : std::string{};
  };
  auto const expected = "Nobody answers at " + address +
                        " (from the environment variable AZURE_POD_IDENTITY_AUTHORITY_HOST) as the instance metadata "
                        "service: probe got no connection";
  report.Add({"cold, silent address, required: error", ColdStart(options, TokenBinding::Required, expected), "s", 2.0});
  report.Add(
      {"cold, silent address, preferred: error", ColdStart(options, TokenBinding::Preferred, expected), "s", 2.0});
  report.Add({"cold, silent address, bearer: error", ColdStart(options, TokenBinding::None, expected), "s", 2.0});
}

void BenchRotations(Report& report, BenchOptions const& benchOptions) {
  auto const duration = benchOptions.Quick ? 16s : 300s;
  test::Emulator const emulator{{"--certificate-lifetime", "8", "--token-lifetime", "4"}};
  auto options = emulator.CredentialOptions();
  options.Observer = {};
  ManagedIdentityCredential credential{options};
  credential.GetToken(test::VaultRequest(), {});
  std::atomic<int> requests{0};
  std::atomic<int> failed{0};
  std::atomic<int> waited{0};
  std::atomic<std::int64_t> longest{0};
  auto const end = SteadyClock::now() + duration;
  InThreads(16, [&](int) {
    while (SteadyClock::now() < end) {
      try {
        auto const begin = SteadyClock::now();
        auto const token = credential.GetToken(test::VaultRequest(), {});
        auto const took = std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - begin).count();
        for (auto seen = longest.load(); took > seen && !longest.compare_exchange_weak(seen, took);) {
        }
        if (token.Source != TokenSource::Cache) ++waited;
        if (emulator.ReadSecret(token) != 200) ++failed;
      } catch (std::exception const& exception) {
        if (failed++ == 0) std::cerr << exception.what() << '\n';
      }
      ++requests;
      std::this_thread::sleep_for(20ms);
    }
  });
  // The log of so many requests is too large to be fetched; the counters say the same.
  auto const seen = emulator.Get("statistics");
  double const seconds = Seconds{duration}.count();
  std::string const count = std::to_string(requests) + " requests";
  report.Add({"rotations: failed requests", double(failed), "", NoneAtAll, false, count});
  report.Add({"rotations: mismatches in the log", seen.at("mismatches").get<double>(), "", NoneAtAll});
  report.Add(
      {"rotations: requests that waited", double(waited), "", NoneAtAll, false,
       "longest GetToken " + std::to_string(longest) + " us"});
  // A certificate serves four seconds and a token two.
  report.Add(
      {"rotations: certificates / needed", seen.at("credentials_issued").get<double>() / (seconds / 4 + 1), "x", 1.1});
  report.Add({"rotations: tokens / needed", seen.at("tokens_issued").get<double>() / (seconds / 2 + 1), "x", 1.1});
}

std::ptrdiff_t ThreadsOfThisProcess() {
  std::filesystem::directory_iterator const threads{"/proc/self/task"};
  return std::distance(begin(threads), end(threads));
}

void BenchDay(Report& report) {
  ::mallopt(M_ARENA_MAX, 1);
  constexpr int identities = 100;
  auto const time = std::make_shared<test::ManualClock>();
  auto const cloud = std::make_shared<test::FakeCloud>(time);
  cloud->Forgets = true;
  std::vector<std::unique_ptr<test::ManagedIdentityWorld>> worlds;
  for (int index = 0; index < identities; ++index) {
    auto world = std::make_unique<test::ManagedIdentityWorld>();
    world->Options.Time = gsl::make_not_null(std::shared_ptr<Clock>{time});
    world->Options.Transport = cloud;
    world->Options.Observer = {};
    world->Options.Identity = ManagedIdentityId::FromClientId("identity-" + std::to_string(index));
    world->Keys->Remembers = false;
    worlds.push_back(std::move(world));
  }
  int expected = 0;
  std::vector<double> memory;
  // Room for the report's own numbers, and one arena, so that all memory is seen.
  memory.reserve(64);
  for (int hour = 0; hour < 24; hour += 4) {
    expected += identities;
    auto const settled = [&] {
      for (auto& world : worlds) world->Get();
      return cloud->Total("/oauth2/v2.0/token") == expected && cloud->Total("/issuecredential") == expected;
    };
    if (!test::Eventually(settled)) std::cerr << "hour " << hour << " did not settle\n";
    // What a thread has for itself goes with the thread, which ends soon after it has nothing to do.
    if (!test::Eventually([] { return ThreadsOfThisProcess() == 1; })) std::cerr << "threads stay\n";
    memory.push_back(static_cast<double>(::mallinfo2().uordblks) / 1024);
    std::cerr << "   memory at hour " << hour << ": " << memory.back() << " KiB\n";
    time->Advance(4h + 1s);
  }
  report.Add(
      {"a day of 100 identities: certificates / calculated", cloud->Total("/issuecredential") / 600.0, "x", 1.0});
  report.Add({"a day of 100 identities: tokens / calculated", cloud->Total("/oauth2/v2.0/token") / 600.0, "x", 1.0});
  report.Add(
      {"a day of 100 identities: memory at its end / after the second rotation", memory.back() / memory[2], "x", 1.05,
       false, Format("%.0f KiB", memory.back())});
}

int Run(int argc, char** argv) {
  auto const options = BenchOptions::Parse(argc, argv);
  Report report{"credential"};
  if (options.Wants("cached")) BenchCached(report, options);
  if (options.Wants("stampede")) BenchStampede(report);
  if (options.Wants("first-secret")) BenchFirstSecret(report, options);
  if (options.Wants("cold")) BenchColdStarts(report);
  if (options.Wants("rotations")) BenchRotations(report, options);
  if (options.Wants("day")) BenchDay(report);
  return report.Finish(options);
}

}  // namespace
}  // namespace mtlspop::bench

int main(int argc, char** argv) {
  try {
    return mtlspop::bench::Run(argc, argv);
  } catch (std::exception const& exception) {
    std::cerr << "mtlspop-bench-credential: " << exception.what() << '\n';
    return 1;
  }
}
