// Affinity under fire: eight bindings, 32 threads or 256 requests in flight on none, random hosts, connections dropped, evicted
// and cut while requests are held open by the server, and callers who leave. The emulator compares the certificate of each
// connection with the one that the token on it is bound to.
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
#include <functional>
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
/// Asynchronous ones.
constexpr int InFlight = 256;
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

Request ReadSecret(BoundToken const& token, std::size_t host) {
  auto request = Get("https://vault" + std::to_string(host) + ".vault.azure.net/secrets/boundsecret?api-version=7.4");
  request.Fields.Set("Authorization", "mtls_pop " + token.Token);
  request.Fields.Set("x-ms-tokenboundauth", "true");
  return request;
}

/// Counts what came of a request whose answer `take` returns. Empty where all is well, else what went wrong.
template <typename Take>
std::string Count(Outcomes& outcomes, BoundToken const& token, Context const& context, Take&& take) {
  try {
    auto const fetched = take();
    ++outcomes.Answered;
    if (fetched.Connection.X5tS256 != token.Certificate->X5tS256()) return "went over another binding's connection";
    return fetched.Status == 200 ? "" : std::to_string(fetched.Status) + " " + fetched.Body;
  } catch (Error const& error) {
    auto const code = error.Code();
    bool const isCut = code == errors::ConnectionLost || code == errors::ConnectionLostDuringBinding;
    bool const isLate = context.IsExpired() && (code == errors::DeadlineExceeded || code == errors::PoolExhausted);
    bool const hasLeft = isLate || (context.IsCancelled() && code == errors::Cancelled);
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

/// What all who send have in common.
class Fire final {
 public:
  /// @param make `MakeTransport`, or what makes one otherwise
  template <typename Make>
  explicit Fire(Make&& make) : transport_(make(Options())) {
    for (std::size_t app = 0; app < Apps; ++app) wallet_.Replace(app, emulator_.Bind(transport_, app));
  }

  Transport const& GetTransport() const noexcept { return transport_; }
  Outcomes& GetOutcomes() noexcept { return outcomes_; }
  /// Whether there is another one to send.
  bool Next() noexcept { return sent_++ < total_; }
  std::shared_ptr<BoundToken const> Token(std::size_t app) const { return wallet_.Get(app); }
  void Note(std::string const& failure) {
    if (failure.empty()) return;
    std::lock_guard<std::mutex> const lock{mutex_};
    failures_.push_back(failure);
  }
  /// One of those who send has nothing more to do. Nothing of this may be touched afterwards.
  void Leave() noexcept { --working_; }

  /// Renews and cuts while `workers` send, until all of them have left.
  void Burn(int workers, std::function<void()> const& begin);
  /// What must be true afterwards.
  void Check();
  Resources const& Late() const noexcept { return late_; }

 private:
  TransportOptions Options() const {
    auto options = emulator_.Options();
    options.Pool.MaximumTotal = Connections;
    return options;
  }

  Emulator const emulator_;
  Wallet wallet_;
  Outcomes outcomes_;
  int const total_ = RequestCount();
  std::atomic<int> sent_{0};
  std::atomic<int> working_{0};
  std::mutex mutex_;
  std::vector<std::string> failures_;
  Resources early_;
  Resources late_;
  Transport const transport_;
};

void Fire::Burn(int workers, std::function<void()> const& begin) {
  working_ = workers;
  begin();
  int const perRenewal = std::max(RequestsPerRenewal, total_ / MostRenewals);
  for (int renewals = 1; working_ > 0; ++renewals) {
    if (early_.Threads == 0 && sent_ >= total_ / 10) early_ = ResourcesNow();
    if (working_ == workers) late_ = ResourcesNow();
    EXPECT_TRUE(Eventually([&] { return working_ == 0 || sent_ >= renewals * perRenewal; }, std::chrono::minutes{5}));
    if (working_ == workers) Renew(emulator_, transport_, wallet_, static_cast<std::size_t>(renewals) % Apps);
  }
}

void Fire::Check() {
  std::cout << "after a tenth: " << early_ << "\nshortly before the end: " << late_ << "\nanswered "
            << outcomes_.Answered << ", abandoned by their callers " << outcomes_.Abandoned << ", cut " << outcomes_.Cut
            << "\nbindings at the end: " << transport_->PoolStatistics().Bindings << '\n';
  EXPECT_THAT(failures_, testing::IsEmpty());
  EXPECT_EQ(outcomes_.Answered + outcomes_.Abandoned + outcomes_.Cut, total_) << "some were lost";
  EXPECT_GT(outcomes_.Abandoned, 0);
  EXPECT_GT(outcomes_.Cut, 0);
  EXPECT_LE(late_.Descriptors, early_.Descriptors + static_cast<int>(Connections));
  auto const seen = emulator_.Control("GET", "/emulator/statistics");
  EXPECT_EQ(seen.at("mismatches"), 0);
  int answered = 0;
  for (auto const& request : seen.at("requests")) {
    if (request.at("service") != "vault") continue;
    // Nothing is written to connections that were cut.
    if (request.at("status") == 0) continue;
    EXPECT_EQ(request.at("status"), 200) << request;
    answered += request.at("count").get<int>();
  }
  EXPECT_GE(answered, outcomes_.Answered);
  auto const statistics = transport_->PoolStatistics();
  EXPECT_GT(statistics.Evicted, 0U);
  EXPECT_GT(statistics.Dropped, 0U);
  EXPECT_EQ(statistics.InUse, 0U);
  EXPECT_EQ(statistics.Waiting, 0U);
  EXPECT_LE(statistics.Idle, Connections);
}

/// Whose next request is whose.
class Choice final {
 public:
  explicit Choice(int seed) : random_(static_cast<unsigned>(seed)) {}
  std::size_t App() { return random_() % Apps; }
  std::size_t Host() { return random_() % Hosts; }
  Context Patience() {
    auto const patience = random_() % PatientCallers == 0 ? std::chrono::microseconds{random_() % 5000}
                                                          : std::chrono::microseconds{std::chrono::minutes{1}};
    return Context{}.WithTimeout(patience);
  }
  bool IsOneInFifty() { return random_() % 50 == 0; }

 private:
  std::mt19937 random_;
};

TEST(EmulatorAffinityTest, NoTokenTravelsWithAnotherCertificate) {
  Fire fire{&MakeTransport};
  std::vector<std::thread> threads;
  fire.Burn(Threads, [&] {
    for (int index = 0; index < Threads; ++index) {
      threads.emplace_back([&, index] {
        Choice choice{index};
        while (fire.Next()) {
          auto const token = fire.Token(choice.App());
          auto const context = choice.Patience();
          fire.Note(Count(fire.GetOutcomes(), *token, context, [&] {
            return Fetch(fire.GetTransport(), ReadSecret(*token, choice.Host()), token->Certificate, context);
          }));
        }
        fire.Leave();
      });
    }
  });
  for (auto& thread : threads) thread.join();
  fire.Check();
}

/// Somebody's request that may be cancelled by somebody else, at whatever point it has come to.
class Leaving final {
 public:
  /// Cancels whoever left itself here before.
  void Exchange(Context const& context) {
    auto before = context;
    {
      std::lock_guard<std::mutex> const lock{mutex_};
      std::swap(before, next_);
    }
    before.Cancel();
  }

 private:
  std::mutex mutex_;
  Context next_ = Context{}.WithCancellation();
};

/// Sends one request after the other, and holds no thread meanwhile.
class Lane final : public std::enable_shared_from_this<Lane> {
 public:
  Lane(Fire& fire, Leaving& leaving, int seed) : fire_(fire), leaving_(leaving), choice_(seed) {}

  void SendNext() {
    if (!fire_.Next()) return fire_.Leave();
    token_ = fire_.Token(choice_.App());
    context_ = choice_.Patience().WithCancellation();
    fetched_ = {};
    if (choice_.IsOneInFifty()) leaving_.Exchange(context_);
    // The answer may be told, and this be sending the next one, before the call returns.
    fire_.GetTransport()->SendAsync(
        std::make_shared<Request>(ReadSecret(*token_, choice_.Host())), token_->Certificate, context_,
        [self = shared_from_this()](auto outcome) { self->Receive(std::move(outcome)); });
  }

 private:
  void Receive(Outcome<std::unique_ptr<Response>> outcome) {
    if (!outcome.HasValue()) return End(outcome.Failure());
    response_ = std::move(outcome).Take();
    fetched_.Status = response_->StatusCode;
    fetched_.Connection = response_->Connection;
    Read();
  }

  void Read() {
    response_->Body->ReadAsync(buffer_, context_, [self = shared_from_this()](Outcome<std::size_t> outcome) {
      if (!outcome.HasValue()) return self->End(outcome.Failure());
      auto const count = std::move(outcome).Take();
      if (count == 0) return self->End(nullptr);
      self->fetched_.Body.append(reinterpret_cast<char const*>(self->buffer_.data()), count);
      self->Read();
    });
  }

  void End(std::exception_ptr const& failure) {
    response_.reset();
    fire_.Note(Count(fire_.GetOutcomes(), *token_, context_, [&] {
      if (failure) std::rethrow_exception(failure);
      return std::move(fetched_);
    }));
    SendNext();
  }

  Fire& fire_;
  Leaving& leaving_;
  Choice choice_;
  std::shared_ptr<BoundToken const> token_;
  Context context_;
  std::unique_ptr<Response> response_;
  Fetched fetched_;
  std::array<std::uint8_t, 512> buffer_{};
};

TEST(EmulatorAffinityTest, NoneOfManyInFlightTravelsWithAnotherCertificate) {
  Fire fire{[](TransportOptions options) { return Transport{MakeHttpTransport(std::move(options))}; }};
  Leaving leaving;
  fire.Burn(InFlight, [&] {
    for (int index = 0; index < InFlight; ++index) std::make_shared<Lane>(fire, leaving, index)->SendNext();
  });
  fire.Check();
  EXPECT_LE(fire.Late().Threads, static_cast<int>(std::thread::hardware_concurrency()) + 8);
}

}  // namespace
}  // namespace mtlspop::test
