#include "transport/in_flight.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "mtlspop/transport/http_transport.hpp"
#include "transport/own_peer.hpp"

namespace mtlspop::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

/// Eight rounds of answers.
constexpr std::size_t LineRequests = 2000;
constexpr std::size_t LineConnections = 256;

/// Counts ends, and sees the last one.
class Ends final {
 public:
  explicit Ends(std::size_t expected) : left_(expected) {}

  void Note(bool isAnswered) {
    std::lock_guard<std::mutex> const lock{mutex_};
    answered_ += isAnswered ? 1 : 0;
    threads_ = std::max(threads_, left_ % 500 == 0 ? ProcessStatus("Threads") : 0);
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

/// Threads that each send one request and wait for it.
class Senders final {
 public:
  Senders(HttpTransport& transport, Scenario const& scenario, std::size_t count, Context const& context, Ends& ends)
      : binding_(LoadBinding(scenario)), url_(Url::Parse(UrlOf(scenario))) {
    for (std::size_t index = 0; index < count; ++index) {
      threads_.emplace_back([this, &transport, &context, &ends] {
        bool isAnswered = false;
        try {
          Request request{"GET", url_};
          auto const response = transport.Send(request, binding_, context);
          Drain(*response);
          isAnswered = response->StatusCode == 200;
        } catch (Error const&) {
          // Not answered.
        }
        ends.Note(isAnswered);
      });
    }
  }
  ~Senders() {
    for (auto& thread : threads_) thread.join();
  }
  Senders(Senders const&) = delete;
  Senders& operator=(Senders const&) = delete;

 private:
  std::shared_ptr<BindingCertificate const> binding_;
  Url url_;
  std::vector<std::thread> threads_;
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

/// @param connections that many requests travel at once
void PrintSending(Scenario const& scenario, std::size_t count, std::size_t connections) {
  auto const transport = MakeOwnTransport(scenario, connections);
  Ends ends{count};
  auto const memory = ProcessStatus("VmRSS");
  auto const begin = SteadyClock::now();
  SendAll(*transport, scenario, count, Context{}, ends);
  ends.Wait();
  PrintInFlightResult(
      {ends.Answered(), ends.MostThreads() - 1, (ProcessStatus("VmHWM") - memory) / static_cast<double>(count),
       std::chrono::duration<double>(ends.Last() - begin).count()});
}

void PrintSendingThreads(Scenario const& scenario, std::size_t count, std::size_t connections) {
  auto const transport = MakeOwnTransport(scenario, connections);
  Ends ends{count};
  Context const context;
  auto const begin = SteadyClock::now();
  Senders const senders{*transport, scenario, count, context, ends};
  ends.Wait();
  PrintInFlightResult({ends.Answered(), 0, 0, std::chrono::duration<double>(ends.Last() - begin).count()});
}

/// Cancels what `begin` has begun as soon as all but one wait for the one connection.
template <typename Begin>
void PrintCancelling(Scenario const& scenario, std::size_t count, Begin const& begin) {
  auto const transport = MakeOwnTransport(scenario, 1);
  auto const context = Context{}.WithCancellation();
  Ends ends{count};
  [[maybe_unused]] auto const begun = begin(*transport, context, ends);
  while (transport->PoolStatistics().Waiting + 1 < count) std::this_thread::yield();
  auto const cancelled = SteadyClock::now();
  context.Cancel();
  ends.Wait();
  PrintInFlightResult({static_cast<int>(count) - ends.Answered(), 0, 0, Milliseconds(ends.Last() - cancelled).count()});
}

void BenchCancelling(
    Report& report, std::string const& name, InFlightTask const& task, std::optional<double> const& limit) {
  std::vector<double> times;
  for (int round = 0; round < 5; ++round) times.push_back(RunInFlightProcess(task).Took);
  std::sort(times.begin(), times.end());
  char note[64];
  std::snprintf(note, sizeof note, "from %.1f to %.1f in five runs", times.front(), times.back());
  report.Add({name, times[2], "ms", limit, false, note});
}

/// More requests than connections: what the line of those who wait adds to the time that the server takes.
void BenchLine(Report& report, std::string const& name, InFlightTask const& task) {
  auto const found = RunInFlightProcess(task);
  auto const rounds = (task.Count + LineConnections - 1) / LineConnections;
  char note[64];
  std::snprintf(note, sizeof note, "%d answered, %.2f s", found.Ended, found.Took);
  report.Add({name, found.Took / (2.0 * static_cast<double>(rounds)), "x", 1.1, false, note});
}

}  // namespace

int RunSending(std::vector<std::string> const& arguments) {
  auto const task = BeginInFlightTask(arguments);
  auto const& server = task.Server;
  if (task.What == "send") {
    PrintSending(server, task.Count, task.Count);
  } else if (task.What == "line") {
    PrintSending(server, task.Count, LineConnections);
  } else if (task.What == "line-threads") {
    PrintSendingThreads(server, task.Count, LineConnections);
  } else if (task.What == "cancel") {
    PrintCancelling(server, task.Count, [&](HttpTransport& transport, Context const& context, Ends& ends) {
      SendAll(transport, server, task.Count, context, ends);
      return 0;
    });
  } else {
    PrintCancelling(server, task.Count, [&](HttpTransport& transport, Context const& context, Ends& ends) {
      return std::make_unique<Senders>(transport, server, task.Count, context, ends);
    });
  }
  return 0;
}

void BenchInFlight(Report& report, BenchServer const& server, BenchOptions const& options) {
  auto const count = std::size_t{options.Quick ? 2'000U : 10'000U};
  auto const inFlight = std::to_string(count) + " in flight, answers after 2 s";
  auto const cancelled = std::to_string(count) + " waiting, cancelled: the last one ended after";
  auto const threads = std::to_string(count) + " threads waiting, cancelled: the last one ended after";
  auto const line = "2000 on 256 connections, answers after 2 s: time / ideal";
  auto const lineOfThreads = "2000 threads on 256 connections, answers after 2 s: time / ideal";
  bool const wantsAny = options.Wants(inFlight) || options.Wants(cancelled) || options.Wants(threads) ||
                        options.Wants(line) || options.Wants(lineOfThreads);
  if (!wantsAny) return;
  auto scenario = server.KeepAlive(false);
  auto const process = StartLateServer(server, scenario);

  if (options.Wants(inFlight)) {
    auto const found = RunInFlightProcess({"send", scenario, count});
    auto const processors = static_cast<double>(std::thread::hardware_concurrency());
    report.Add({inFlight + ": answered", static_cast<double>(found.Ended), "", static_cast<double>(count), true, ""});
    report.Add({inFlight + ": threads", found.Threads, "", processors + 8, false, ""});
    report.Add({inFlight + ": resident memory each", found.KibEach, "KiB", 28.0, false, ""});
    report.Add({inFlight + ": all took", found.Took, "s"});
  }
  if (options.Wants(cancelled)) BenchCancelling(report, cancelled, {"cancel", scenario, count}, 50.0);
  if (options.Wants(threads)) BenchCancelling(report, threads, {"cancel-threads", scenario, count}, std::nullopt);
  if (options.Wants(line)) BenchLine(report, line, {"line", scenario, LineRequests});
  if (options.Wants(lineOfThreads)) BenchLine(report, lineOfThreads, {"line-threads", scenario, LineRequests});
}

}  // namespace mtlspop::bench
