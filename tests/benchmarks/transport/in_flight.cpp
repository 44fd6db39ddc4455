#include "transport/in_flight.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "adapters/late_server.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "support/server_process.hpp"
#include "transport/own_peer.hpp"

namespace mtlspop::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

/// What the kernel says of this process: "Threads" in their number, "VmRSS" and "VmHWM" in KiB.
double StatusOf(std::string const& field) {
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field + ":", 0) == 0) return std::stod(line.substr(field.size() + 1));
  }
  return 0;
}

/// Counts ends, and sees the last one.
class Ends final {
 public:
  explicit Ends(std::size_t expected) : left_(expected) {}

  void Note(bool isAnswered) {
    std::lock_guard<std::mutex> const lock{mutex_};
    answered_ += isAnswered ? 1 : 0;
    threads_ = std::max(threads_, left_ % 500 == 0 ? StatusOf("Threads") : 0);
    if (--left_ == 0) {
      last_ = SteadyClock::now();
      over_.notify_all();
    }
  }
  void Wait() {
    std::unique_lock<std::mutex> lock{mutex_};
    over_.wait(lock, [this] { return left_ == 0; });
  }
  int Answered() const noexcept { return answered_; }
  double MostThreads() const noexcept { return threads_; }
  SteadyClock::time_point Last() const noexcept { return last_; }

 private:
  std::mutex mutex_;
  std::condition_variable over_;
  std::size_t left_;
  int answered_ = 0;
  double threads_ = 0;
  SteadyClock::time_point last_{};
};

/// One request with its answer's body, which is read to its end.
class Fetching final : public std::enable_shared_from_this<Fetching> {
 public:
  explicit Fetching(Ends& ends) : ends_(ends) {}

  void Begin(
      HttpTransport& transport,
      Url const& url,
      std::shared_ptr<BindingCertificate const> binding,
      Context const& context) {
    transport.SendAsync(
        std::make_shared<Request>("GET", url), std::move(binding), context,
        [self = shared_from_this()](Outcome<std::unique_ptr<Response>> outcome) {
          if (!outcome.HasValue()) return self->ends_.Note(false);
          self->response_ = std::move(outcome).Take();
          self->Read();
        });
  }

 private:
  void Read() {
    response_->Body->ReadAsync(buffer_, {}, [self = shared_from_this()](Outcome<std::size_t> outcome) {
      if (!outcome.HasValue()) return self->ends_.Note(false);
      if (std::move(outcome).Take() != 0) return self->Read();
      self->ends_.Note(self->response_->StatusCode == 200);
    });
  }

  Ends& ends_;
  std::unique_ptr<Response> response_;
  std::array<std::uint8_t, 64> buffer_{};
};

void SendAll(
    HttpTransport& transport, Scenario const& scenario, std::size_t count, Context const& context, Ends& ends) {
  auto const binding = LoadBinding(scenario);
  auto const url = Url::Parse(UrlOf(scenario));
  for (std::size_t index = 0; index < count; ++index) {
    std::make_shared<Fetching>(ends)->Begin(transport, url, binding, context);
  }
}

void PrintSending(Scenario const& scenario, std::size_t count) {
  auto const transport = MakeOwnTransport(scenario, count);
  Ends ends{count};
  auto const memory = StatusOf("VmRSS");
  auto const begin = SteadyClock::now();
  SendAll(*transport, scenario, count, Context{}, ends);
  ends.Wait();
  std::printf(
      "%d %.0f %.2f %.2f\n", ends.Answered(), ends.MostThreads() - 1,
      (StatusOf("VmHWM") - memory) / static_cast<double>(count),
      std::chrono::duration<double>(ends.Last() - begin).count());
}

void PrintCancelling(Scenario const& scenario, std::size_t count) {
  auto const transport = MakeOwnTransport(scenario, 1);
  auto const context = Context{}.WithCancellation();
  Ends ends{count};
  SendAll(*transport, scenario, count, context, ends);
  while (transport->PoolStatistics().Waiting + 1 < count) std::this_thread::yield();
  auto const begin = SteadyClock::now();
  context.Cancel();
  ends.Wait();
  std::printf("%d 0 0 %.2f\n", static_cast<int>(count) - ends.Answered(), Milliseconds(ends.Last() - begin).count());
}

struct Found {
  int Ended = 0;
  double Threads = 0;
  double KibEach = 0;
  double Took = 0;
};

Found RunElsewhere(std::string const& what, Scenario const& scenario, int count) {
  auto const quoted = [](std::string const& text) { return " '" + text + "'"; };
  std::string const command = "/proc/" + std::to_string(::getpid()) + "/exe " + SendingMode + " " + what + " " +
                              std::to_string(scenario.Port) + quoted(scenario.CaFile) +
                              quoted(scenario.CertificateFile) + quoted(scenario.PrivateKeyFile) + " " +
                              std::to_string(count);
  std::unique_ptr<FILE, int (*)(FILE*)> const output{::popen(command.c_str(), "r"), &::pclose};
  Found found;
  if (!output ||
      std::fscanf(output.get(), "%d %lf %lf %lf", &found.Ended, &found.Threads, &found.KibEach, &found.Took) != 4) {
    throw std::runtime_error("the process with the requests in flight failed");
  }
  return found;
}

}  // namespace

int RunSending(std::vector<std::string> const& arguments) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  Scenario scenario;
  scenario.Port = static_cast<std::uint16_t>(std::stoi(arguments.at(1)));
  scenario.CaFile = arguments.at(2);
  scenario.CertificateFile = arguments.at(3);
  scenario.PrivateKeyFile = arguments.at(4);
  auto const count = std::stoul(arguments.at(5));
  if (arguments.at(0) == "send") {
    PrintSending(scenario, count);
  } else {
    PrintCancelling(scenario, count);
  }
  return 0;
}

void BenchInFlight(Report& report, BenchServer const& server, BenchOptions const& options) {
  auto const count = options.Quick ? 2'000 : 10'000;
  auto const inFlight = std::to_string(count) + " in flight, answers after 2 s";
  auto const cancelled = std::to_string(count) + " waiting, cancelled: the last one ended after";
  if (!options.Wants(inFlight) && !options.Wants(cancelled)) return;
  auto scenario = server.KeepAlive(false);
  scenario.Port = test::ReserveLoopbackPort();
  auto const certificate = server.ServersOwn();
  test::ServerProcess process{test::ServerCommand{
      {"/proc/self/exe", LateServerMode, std::to_string(scenario.Port), scenario.CaFile, certificate.CertificatePath,
       certificate.PrivateKeyPath, "2000"},
      {},
      SIGTERM}};
  process.WaitUntilListening(scenario.Port);

  if (options.Wants(inFlight)) {
    auto const found = RunElsewhere("send", scenario, count);
    auto const processors = static_cast<double>(std::thread::hardware_concurrency());
    report.Add({inFlight + ": answered", static_cast<double>(found.Ended), "", static_cast<double>(count), true, ""});
    report.Add({inFlight + ": threads", found.Threads, "", processors + 8, false, ""});
    report.Add({inFlight + ": resident memory each", found.KibEach, "KiB", 28.0, false, ""});
    report.Add({inFlight + ": all took", found.Took, "s"});
  }
  if (options.Wants(cancelled)) {
    std::vector<double> times;
    for (int round = 0; round < 5; ++round) times.push_back(RunElsewhere("cancel", scenario, count).Took);
    std::sort(times.begin(), times.end());
    char note[64];
    std::snprintf(note, sizeof note, "from %.1f to %.1f in five runs", times.front(), times.back());
    report.Add({cancelled, times[2], "ms", 50.0, false, note});
  }
}

}  // namespace mtlspop::bench
