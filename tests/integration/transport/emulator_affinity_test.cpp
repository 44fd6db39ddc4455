// Affinity under fire: eight bindings, 32 threads, random hosts, connections dropped and evicted while requests are held open by
// the server. The emulator compares the certificate of each connection with the one that the token on it is bound to.
//
// MTLSPOP_AFFINITY_REQUESTS says how many requests; 200000 is what a release has to pass.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <cstdlib>
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
/// A binding is renewed, and its predecessor's connections dropped, each time that many requests have been sent.
constexpr int RequestsPerRenewal = 250;
/// So many requests are held open by the server while that happens.
constexpr int Held = 6;

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

/// Reads a secret. Empty where all is well, else what went wrong.
std::string ReadSecret(Transport const& transport, BoundToken const& token, std::size_t host) {
  auto request = Get("https://vault" + std::to_string(host) + ".vault.azure.net/secrets/boundsecret?api-version=7.4");
  request.Fields.Set("Authorization", "mtls_pop " + token.Token);
  request.Fields.Set("x-ms-tokenboundauth", "true");
  try {
    auto const fetched =
        Fetch(transport, std::move(request), token.Certificate, Context{}.WithTimeout(std::chrono::minutes{1}));
    if (fetched.Connection.X5tS256 != token.Certificate->X5tS256()) return "went over another binding's connection";
    return fetched.Status == 200 ? "" : std::to_string(fetched.Status) + " " + fetched.Body;
  } catch (Error const& error) {
    return DescribeWithCauses(error);
  }
}

/// Holds some requests open, renews a binding meanwhile, and lets them go.
void Renew(Emulator const& emulator, Transport const& transport, Wallet& wallet, std::size_t app) {
  emulator.Control(
      "POST", "/emulator/faults",
      {{"path", "/secrets/"}, {"service", "vault"}, {"count", Held}, {"fault", {{"hold", true}}}});
  emulator.Control("GET", "/emulator/held?at_least=" + std::to_string(Held) + "&timeout_ms=2000");
  auto const old = wallet.Replace(app, emulator.Bind(transport, app));
  transport->DropConnections(old->Certificate->X5tS256());
  emulator.Control("DELETE", "/emulator/faults");
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
        if (auto const failure = ReadSecret(transport, *wallet.Get(app(random)), host(random)); !failure.empty()) {
          std::lock_guard<std::mutex> const lock{failuresMutex};
          failures.push_back(failure);
        }
      }
      --working;
    });
  }
  for (int renewals = 1; working > 0; ++renewals) {
    EXPECT_TRUE(
        Eventually([&] { return working == 0 || sent >= renewals * RequestsPerRenewal; }, std::chrono::minutes{1}));
    if (working == Threads) Renew(emulator, transport, wallet, static_cast<std::size_t>(renewals) % Apps);
  }
  for (auto& thread : threads) thread.join();

  EXPECT_THAT(failures, testing::IsEmpty());
  auto const seen = emulator.Control("GET", "/emulator/statistics");
  EXPECT_EQ(seen.at("mismatches"), 0);
  int answered = 0;
  for (auto const& request : seen.at("requests")) {
    if (request.at("service") != "vault") continue;
    EXPECT_EQ(request.at("status"), 200) << request;
    answered += request.at("count").get<int>();
  }
  EXPECT_EQ(answered, total);
  auto const statistics = transport->PoolStatistics();
  EXPECT_GT(statistics.Evicted, 0U);
  EXPECT_GT(statistics.Dropped, 0U);
  EXPECT_EQ(statistics.InUse, 0U);
  EXPECT_EQ(statistics.Waiting, 0U);
  EXPECT_LE(statistics.Idle, Connections);
}

}  // namespace
}  // namespace mtlspop::test
