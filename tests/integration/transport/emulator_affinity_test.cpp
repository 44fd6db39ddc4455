// Affinity under fire: eight bindings, 32 threads, random hosts, connections dropped, evicted and cut while requests are held
// open by the server, and callers who leave. The emulator compares the certificate of each connection with the one that the
// token on it is bound to.
//
// MTLSPOP_AFFINITY_REQUESTS says how many requests; a million is what a release has to pass. What it prints at the end is the
// process's memory, descriptors and threads after a tenth of them, and with the last renewal.

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "support/server_process.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;

constexpr std::size_t Apps = 8;
constexpr int Threads = 32;
constexpr std::size_t Hosts = 6;
/// Fewer than there are pairs of binding and host, so that something is evicted all the time.
constexpr std::size_t Connections = 40;
/// A binding is renewed, and its predecessor's connections dropped, each time that many requests have been sent, but no more
/// than so often.
constexpr int RequestsPerRenewal = 250;
constexpr int MostRenewals = 400;
/// So many requests are held open by the server while that happens.
constexpr int Held = 6;
/// So many connections are cut each time, with their requests.
constexpr int Cut = 4;
/// One caller in so many leaves within milliseconds.
constexpr unsigned PatientCallers = 50;

int RequestCount() {
  char const* const text = std::getenv("MTLSPOP_AFFINITY_REQUESTS");
  return text != nullptr ? std::atoi(text) : 5'000;
}

/// A token with the certificate it is bound to: made and used together.
struct BoundToken {
  Binding Certificate;
  std::string Token;
};

/// The emulator, and what is registered with it.
class Emulator final {
 public:
  Emulator() : process_(ServerCommand{{MTLSPOP_EMULATOR_PROGRAM, "--exit-with-stdin"}, {}, SIGTERM}) {
    if (!process_.WaitForOutput("}\n")) throw std::runtime_error{"the emulator does not start: " + process_.Output()};
    auto const output = process_.Output();
    startup_ = json::parse(output.substr(0, output.find('\n')));
    TransportOptions control;
    control.Proxy.UseEnvironment = false;
    control_ = MakeHttpTransport(control);
  }

  TransportOptions Options() const {
    TransportOptions options;
    options.Proxy.UseEnvironment = false;
    options.Tls.Trust.CaFile = startup_.at("ca_file").get<std::string>();
    options.ConnectOverrides = {
        {"*.vault.azure.net:443", Url::Parse(startup_.at("vault").get<std::string>()).GetOrigin().HostAndPort()}};
    return options;
  }

  json Control(std::string const& method, std::string const& path, json const& body = nullptr) const {
    Request request{method, Url::Parse(startup_.at("control").get<std::string>() + path)};
    if (!body.is_null()) request.SetBody(body.dump());
    auto const fetched = Fetch(control_, std::move(request));
    EXPECT_EQ(fetched.Status / 100, 2) << path << ": " << fetched.Body;
    return json::parse(fetched.Body, nullptr, false);
  }

  /// Registers a new certificate for an app and takes a token bound to it.
  std::shared_ptr<BoundToken const> Bind(Transport const& transport, std::size_t app) const {
    auto const issued = Authority().IssueForClient("app" + std::to_string(app));
    auto const tenant = startup_.at("identities").at(0).at("tenant_id").get<std::string>();
    auto const clientId = "00000000-0000-4000-8000-00000000000" + std::to_string(app);
    Control(
        "POST", "/emulator/apps",
        {{"client_id", clientId},
         {"tenant_id", tenant},
         {"certificate_pem", issued.CertificatePem},
         {"vault_access", true}});
    auto request = Post(
        startup_.at("sts").get<std::string>() + "/" + tenant + "/oauth2/v2.0/token",
        "grant_type=client_credentials&client_id=" + clientId +
            "&scope=https%3A%2F%2Fvault.azure.net%2F.default&token_type=mtls_pop");
    request.Fields.Set("Content-Type", "application/x-www-form-urlencoded");
    auto const binding = ToBinding(issued);
    auto const answer = json::parse(Fetch(transport, std::move(request), binding).Body);
    return std::make_shared<BoundToken const>(BoundToken{binding, answer.at("access_token").get<std::string>()});
  }

 private:
  ServerProcess process_;
  json startup_;
  Transport control_;
};

/// The bound tokens in use. Whoever has one keeps it, whatever becomes of it here.
class Wallet final {
 public:
  std::shared_ptr<BoundToken const> Get(std::size_t app) const {
    std::lock_guard<std::mutex> const lock{mutex_};
    return tokens_.at(app);
  }
  /// Returns what was there before.
  std::shared_ptr<BoundToken const> Replace(std::size_t app, std::shared_ptr<BoundToken const> token) {
    std::lock_guard<std::mutex> const lock{mutex_};
    return std::exchange(tokens_.at(app), std::move(token));
  }

 private:
  mutable std::mutex mutex_;
  std::array<std::shared_ptr<BoundToken const>, Apps> tokens_;
};

/// What came of the requests.
struct Outcomes {
  std::atomic<int> Answered{0};
  /// By callers who left.
  std::atomic<int> Abandoned{0};
  std::atomic<int> Cut{0};
};

/// Reads a secret. Empty where all is well, else what went wrong.
std::string ReadSecret(
    Transport const& transport, BoundToken const& token, std::size_t host, Context const& context, Outcomes& outcomes) {
  auto request = Get("https://vault" + std::to_string(host) + ".vault.azure.net/secrets/boundsecret?api-version=7.4");
  request.Fields.Set("Authorization", "mtls_pop " + token.Token);
  request.Fields.Set("x-ms-tokenboundauth", "true");
  try {
    auto const fetched = Fetch(transport, std::move(request), token.Certificate, context);
    ++outcomes.Answered;
    if (fetched.Connection.X5tS256 != token.Certificate->X5tS256()) return "went over another binding's connection";
    return fetched.Status == 200 ? "" : std::to_string(fetched.Status) + " " + fetched.Body;
  } catch (Error const& error) {
    auto const code = error.Code();
    bool const isCut = code == errors::ConnectionLost || code == errors::ConnectionLostDuringBinding;
    bool const hasLeft = context.IsExpired() && (code == errors::DeadlineExceeded || code == errors::PoolExhausted);
    if (!isCut && !hasLeft) return DescribeWithCauses(error);
    ++(hasLeft ? outcomes.Abandoned : outcomes.Cut);
    return "";
  }
}

/// What the process uses, for people and to be compared.
struct Resources {
  long ResidentKilobytes = 0;
  int Descriptors = 0;
  int Threads = 0;
};

Resources ResourcesNow() {
  Resources now;
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmRSS:", 0) == 0) now.ResidentKilobytes = std::atol(line.c_str() + 6);
    if (line.rfind("Threads:", 0) == 0) now.Threads = std::atoi(line.c_str() + 8);
  }
  for ([[maybe_unused]] auto const& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) ++now.Descriptors;
  return now;
}

std::ostream& operator<<(std::ostream& stream, Resources const& resources) {
  return stream << resources.ResidentKilobytes << " kB, " << resources.Descriptors << " descriptors, "
                << resources.Threads << " threads";
}

/// Holds some requests open, renews a binding meanwhile, and lets them go; then cuts some.
void Renew(Emulator const& emulator, Transport const& transport, Wallet& wallet, std::size_t app) {
  emulator.Control(
      "POST", "/emulator/faults",
      {{"path", "/secrets/"}, {"service", "vault"}, {"count", Held}, {"fault", {{"hold", true}}}});
  emulator.Control("GET", "/emulator/held?at_least=" + std::to_string(Held) + "&timeout_ms=2000");
  auto const old = wallet.Replace(app, emulator.Bind(transport, app));
  transport->DropConnections(old->Certificate->X5tS256());
  emulator.Control("DELETE", "/emulator/faults");
  emulator.Control(
      "POST", "/emulator/faults",
      {{"path", "/secrets/"},
       {"service", "vault"},
       {"count", Cut},
       {"fault", {{"cut", "mid-response"}, {"reset", true}}}});
}

TEST(EmulatorAffinityTest, NoTokenTravelsWithAnotherCertificate) {
  Emulator const emulator;
  auto options = emulator.Options();
  options.Pool.MaximumTotal = Connections;
  auto const transport = MakeTransport(options);
  Wallet wallet;
  for (std::size_t app = 0; app < Apps; ++app) wallet.Replace(app, emulator.Bind(transport, app));

  int const total = RequestCount();
  std::atomic<int> sent{0};
  std::atomic<int> working{Threads};
  Outcomes outcomes;
  std::mutex failuresMutex;
  std::vector<std::string> failures;
  std::vector<std::thread> threads;
  threads.reserve(Threads);
  for (int index = 0; index < Threads; ++index) {
    threads.emplace_back([&, index] {
      std::mt19937 random{static_cast<unsigned>(index)};
      std::uniform_int_distribution<std::size_t> app{0, Apps - 1};
      std::uniform_int_distribution<std::size_t> host{0, Hosts - 1};
      while (sent++ < total) {
        auto const patience = random() % PatientCallers == 0 ? std::chrono::microseconds{random() % 5000}
                                                             : std::chrono::microseconds{std::chrono::minutes{1}};
        auto const failure =
            ReadSecret(transport, *wallet.Get(app(random)), host(random), Context{}.WithTimeout(patience), outcomes);
        if (!failure.empty()) {
          std::lock_guard<std::mutex> const lock{failuresMutex};
          failures.push_back(failure);
        }
      }
      --working;
    });
  }
  int const perRenewal = std::max(RequestsPerRenewal, total / MostRenewals);
  Resources early;
  Resources late;
  for (int renewals = 1; working > 0; ++renewals) {
    if (early.Threads == 0 && sent >= total / 10) early = ResourcesNow();
    if (working == Threads) late = ResourcesNow();
    EXPECT_TRUE(Eventually([&] { return working == 0 || sent >= renewals * perRenewal; }, std::chrono::minutes{5}));
    if (working == Threads) Renew(emulator, transport, wallet, static_cast<std::size_t>(renewals) % Apps);
  }
  for (auto& thread : threads) thread.join();
  std::cout << "after a tenth: " << early << "\nshortly before the end: " << late << "\nanswered " << outcomes.Answered
            << ", abandoned by their callers " << outcomes.Abandoned << ", cut " << outcomes.Cut << '\n';

  EXPECT_THAT(failures, testing::IsEmpty());
  EXPECT_EQ(outcomes.Answered + outcomes.Abandoned + outcomes.Cut, total) << "some were lost";
  EXPECT_GT(outcomes.Abandoned, 0);
  EXPECT_GT(outcomes.Cut, 0);
  EXPECT_LE(late.Descriptors, early.Descriptors + static_cast<int>(Connections));
  auto const seen = emulator.Control("GET", "/emulator/statistics");
  EXPECT_EQ(seen.at("mismatches"), 0);
  int answered = 0;
  for (auto const& request : seen.at("requests")) {
    if (request.at("service") != "vault") continue;
    // Nothing is written to connections that were cut.
    if (request.at("status") == 0) continue;
    EXPECT_EQ(request.at("status"), 200) << request;
    answered += request.at("count").get<int>();
  }
  EXPECT_GE(answered, outcomes.Answered);
  auto const statistics = transport->PoolStatistics();
  EXPECT_GT(statistics.Evicted, 0U);
  EXPECT_GT(statistics.Dropped, 0U);
  EXPECT_EQ(statistics.InUse, 0U);
  EXPECT_EQ(statistics.Waiting, 0U);
  EXPECT_LE(statistics.Idle, Connections);
}

}  // namespace
}  // namespace mtlspop::test
