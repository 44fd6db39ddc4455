/// @file
/// The transport beside the clients that people use today, in one run on one machine.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <thread>

#include <malloc.h>
#include <unistd.h>

#include "adapters/late_server.hpp"
#include "support/processors.hpp"
#include "support/report.hpp"
#include "support/rounds.hpp"
#include "transport/bare_connection.hpp"
#include "transport/bench_server.hpp"
#include "transport/in_flight.hpp"
#include "transport/instructions.hpp"
#include "transport/own_peer.hpp"
#include "transport/peer.hpp"

namespace mtlspop::bench {
namespace {

/// Many short rounds: what else happens on the machine, and where the scheduler puts threads, then meets all alike.
constexpr int Rounds = 45;
/// For rounds that take a second.
constexpr int LargeRounds = 9;
constexpr std::uint64_t LargeBytes = std::uint64_t{1} << 30U;

/// Instructions that the transport may add to a request.
constexpr double InstructionCeiling = 10'000;

struct Named {
  std::string Name;
  std::unique_ptr<Peer> Client;
};

Contender Repeat(std::string name, Peer& peer, int count) {
  return {std::move(name), [&peer, count] {
            for (int index = 0; index < count; ++index) {
              peer.Get();
            }
          }};
}

std::string Microseconds(std::string const& name, std::vector<double> const& seconds, int count) {
  char text[96];
  std::snprintf(text, sizeof text, "%s %.1f us", name.c_str(), Median(seconds) / count * 1e6);
  return text;
}

/// All clients of one scenario in turns: this library against the bare loop, and against each of the others.
void Compare(
    Report& report, std::string const& name, std::vector<Named> peers, int count, double limit, bool aheadOfOthers) {
  std::vector<Contender> contenders;
  for (auto& peer : peers) {
    contenders.push_back(Repeat(peer.Name, *peer.Client, count));
  }
  auto const times = TakeTurns(contenders, Rounds);
  std::string const own = Microseconds("own", times[1], count);
  report.Add(
      {name + " / bare loop", MedianRatio(times[1], times[0]), "x", limit, false,
       own + ", " + Microseconds("bare", times[0], count)});
  for (std::size_t index = 2; index < peers.size(); ++index) {
    Figure figure{name + " / " + peers[index].Name, MedianRatio(times[1], times[index])};
    figure.Note = Microseconds(peers[index].Name, times[index], count);
    if (aheadOfOthers) {
      figure.Limit = 1.0;
    }
    report.Add(std::move(figure));
  }
}

std::vector<Named> Everybody(BenchServer const& server, Scenario const& scenario, bool all) {
  std::vector<Named> peers;
  peers.push_back({"bare", MakeBarePeer(scenario)});
  peers.push_back({"own", MakeOwnPeer(scenario)});
  peers.push_back({"libcurl", MakeCurlPeer(scenario)});
  if (!all) {
    return peers;
  }
  if (auto cpprest = MakeCpprestPeer(scenario)) {
    peers.push_back({"cpprestsdk", std::move(cpprest)});
  }
  if (auto azure = scenario.Tls13 ? nullptr : MakeAzurePeer(server.WithoutCertificate())) {
    peers.push_back({"Azure CurlTransport", std::move(azure)});
  }
  return peers;
}

/// Where client and server take turns anyway, two processors would spend nine tenths of a request waking each other, whatever
/// the client does.
void KeepAlive(Report& report, BenchOptions const& options) {
  OneProcessor const one;
  BenchServer const server;
  for (bool const tls13 : {false, true}) {
    std::string const name = std::string{"keep-alive GET, TLS "} + (tls13 ? "1.3" : "1.2");
    if (options.Wants(name)) {
      Compare(report, name, Everybody(server, server.KeepAlive(tls13), true), options.Quick ? 100 : 600, 1.10, true);
    }
  }
}

void NewConnections(Report& report, BenchOptions const& options) {
  OneProcessor const one;
  BenchServer const server;
  for (bool const tls13 : {false, true}) {
    for (bool const resume : {false, true}) {
      std::string const name =
          std::string{"new connection + GET, "} + (resume ? "resumed" : "full") + ", TLS " + (tls13 ? "1.3" : "1.2");
      if (options.Wants(name)) {
        auto const count = options.Quick ? 5 : (resume ? 40 : 15);
        Compare(report, name, Everybody(server, server.NewConnections(tls13, resume), false), count, 1.05, false);
      }
    }
  }
}

/// 16 threads at once, each its own bare loop or all on one transport.
void Threads(Report& report, BenchServer const& server, BenchOptions const& options) {
  std::string const name = "16 threads, throughput";
  if (!options.Wants(name)) {
    return;
  }
  constexpr int threadCount = 16;
  int const count = options.Quick ? 50 : 500;
  auto const scenario = server.KeepAlive(false);
  std::vector<std::unique_ptr<Peer>> bare;
  for (int index = 0; index < threadCount; ++index) {
    bare.push_back(MakeBarePeer(scenario));
  }
  auto const transport = MakeOwnTransport(scenario);
  auto const binding = LoadBinding(scenario);
  auto const url = Url::Parse(UrlOf(scenario));
  auto const together = [](auto const& work) {
    std::vector<std::thread> threads;
    for (int index = 0; index < threadCount; ++index) {
      threads.emplace_back([&work, index] { work(index); });
    }
    for (auto& thread : threads) {
      thread.join();
    }
  };
  auto const bareWork = [&](int index) {
    for (int done = 0; done < count; ++done) {
      bare[static_cast<std::size_t>(index)]->Get();
    }
  };
  auto const ownWork = [&](int /*index*/) {
    Request request{"GET", url};
    for (int done = 0; done < count; ++done) {
      Drain(*transport->Send(request, binding, Context{}));
    }
  };
  auto const times = TakeTurns({{"bare", [&] { together(bareWork); }}, {"own", [&] { together(ownWork); }}}, Rounds);
  report.Add(
      {name, MedianRatio(times[0], times[1]), "x", 0.97, true, Microseconds("own", times[1], count * threadCount)});
}

/// A body that costs nothing to make, as the buffer that the bare loop writes again and again costs nothing.
class ZeroBody final : public BodyStream {
 public:
  explicit ZeroBody(std::uint64_t length) : length_(length), left_(length) {}
  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& /*context*/) override {
    auto const count = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left_));
    left_ -= count;
    return count;
  }
  std::optional<std::uint64_t> Length() const noexcept override { return length_; }

 private:
  std::uint64_t length_;
  std::uint64_t left_;
};

double ResidentKiB() {
  long pages = 0;
  long resident = 0;
  std::ifstream{"/proc/self/statm"} >> pages >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1024;
}

void Large(Report& report, BenchOptions const& options) {
  OneProcessor const one;
  BenchServer const server;
  auto scenario = server.KeepAlive(false);
  BareContext context{scenario};
  BareConnection bare{context, scenario.Port, nullptr};
  auto const transport = MakeOwnTransport(scenario);
  auto const binding = LoadBinding(scenario);
  std::vector<char> const zeros(16 * 1024);
  std::uint64_t const bytes = options.Quick ? LargeBytes / 16 : LargeBytes;
  scenario.Path = "/large";
  auto const large = Url::Parse(UrlOf(scenario));
  scenario.Path = "/up/own";
  auto const up = Url::Parse(UrlOf(scenario));

  auto const bareDown = [&] { bare.Exchange(BareRequest("/large")); };
  auto const ownDown = [&] {
    Request request{"GET", large};
    Drain(*transport->Send(request, binding, Context{}));
  };
  auto const bareUp = [&] {
    auto const head =
        "PUT /up/bare HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n";
    bare.WriteAll(head.data(), head.size());
    for (auto left = bytes; left != 0; left -= zeros.size()) {
      bare.WriteAll(zeros.data(), zeros.size());
    }
    bare.ReadAnswer();
  };
  auto const ownUp = [&] {
    Request request{"PUT", up};
    request.Body = std::make_shared<ZeroBody>(bytes);
    Drain(*transport->Send(request, binding, Context{}));
  };
  auto const measure = [&](std::string const& name, auto const& bareWork, auto const& ownWork) {
    if (!options.Wants(name)) {
      return;
    }
    ownWork();
    auto const before = ResidentKiB();
    ownWork();
    auto const grown = ResidentKiB() - before;
    auto const times = TakeTurns({{"bare", bareWork}, {"own", ownWork}}, LargeRounds);
    char note[64];
    std::snprintf(note, sizeof note, "own %.2f s, bare %.2f s", Median(times[1]), Median(times[0]));
    report.Add({name + ", throughput", MedianRatio(times[0], times[1]), "x", 0.97, true, note});
    report.Add({name + ", resident memory grows by", std::max(grown, 0.0) / 1024, "MiB", 1.0, false, ""});
  };
  measure("1 GiB down", bareDown, ownDown);
  measure("1 GiB up", bareUp, ownUp);
}

/// A thousand connections that are held open by answers that nobody reads yet, and then let go.
void Idle(Report& report, BenchServer const& server, BenchOptions const& options) {
  std::string const name = "1,000 idle connections, each";
  if (!options.Wants(name)) {
    return;
  }
  constexpr std::size_t count = 1000;
  auto scenario = server.KeepAlive(false);
  auto const transport = MakeOwnTransport(scenario);
  auto const binding = LoadBinding(scenario);
  auto const get = [&] {
    Request request{"GET", Url::Parse(UrlOf(scenario))};
    return transport->Send(request, binding, Context{});
  };
  get();
  ::malloc_trim(0);
  auto const before = ResidentKiB();
  scenario.Path = "/up/held";
  {
    Request request{"PUT", Url::Parse(UrlOf(scenario))};
    request.SetBody(std::string(40'000, 'x'));
    transport->Send(request, binding, Context{});
    std::vector<std::unique_ptr<Response>> held;
    while (held.size() < count) {
      held.push_back(get());
    }
    for (auto const& response : held) {
      Drain(*response);
    }
  }
  ::malloc_trim(0);
  auto const idle = static_cast<double>(transport->PoolStatistics().Idle);
  report.Add(
      {name, (ResidentKiB() - before) / idle, "KiB", 32.0, false, std::to_string(static_cast<int>(idle)) + " idle"});
}

void Instructions(Report& report, BenchServer const& server, BenchOptions const& options) {
  std::string const name = "instructions added to a request";
  if (!options.Wants(name)) {
    return;
  }
  auto const scenario = server.KeepAlive(false);
  auto const bare = CountInstructions("bare", scenario);
  auto const own = CountInstructions("own", scenario);
  if (!bare || !own) {
    std::cerr << "   " << name << ": not counted, since valgrind is not here\n";
    return;
  }
  report.Add(
      {name, *own - *bare, "instr.", InstructionCeiling, false,
       "own " + std::to_string(static_cast<long>(*own)) + ", bare " + std::to_string(static_cast<long>(*bare))});
}

int Main(int argc, char** argv) {
  if (argc > 1 && std::string_view{argv[1]} == InFlightMode) {
    return RunSending({argv + 2, argv + argc});
  }
  if (argc > 1 && std::string_view{argv[1]} == LateServerMode) {
    return RunLateServer({argv + 2, argv + argc});
  }
  auto const options = BenchOptions::Parse(argc, argv, "--loop");
  if (!options.Rest.empty()) {
    return RunLoop(options.Rest);
  }
  Report report{"transport"};
  KeepAlive(report, options);
  NewConnections(report, options);
  Large(report, options);
  BenchServer const server;
  Threads(report, server, options);
  Idle(report, server, options);
  BenchInFlight(report, server, options);
  Instructions(report, server, options);
  return report.Finish(options);
}

}  // namespace
}  // namespace mtlspop::bench

int main(int argc, char** argv) {
  try {
    return mtlspop::bench::Main(argc, argv);
  } catch (std::exception const& error) {
    std::cerr << "mtlspop-bench-transport: " << error.what() << '\n';
    return 1;
  }
}
