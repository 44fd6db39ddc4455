#pragma once

/// @file
/// Requests in flight by the thousand, measured in a process of their own: what holds the server, and the measurements before,
/// count for nothing then.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "support/server_process.hpp"
#include "transport/bench_server.hpp"

namespace mtlspop::bench {

/// Where the mode of the program that sends them begins: `--in-flight WHAT PORT CA CERTIFICATE PRIVATE_KEY COUNT`.
inline constexpr char const* InFlightMode = "--in-flight";

/// What such a process is to do.
struct InFlightTask {
  std::string What;
  Scenario Server;
  std::size_t Count = 0;
};

/// What it found.
struct InFlightResult {
  /// Requests that ended as they should.
  int Ended = 0;
  /// The most threads, beside its own.
  double Threads = 0;
  double KibEach = 0;
  /// In the unit of what is measured.
  double Took = 0;
};

/// A server that answers after two seconds, on a port of its own that `scenario` is given.
std::unique_ptr<test::ServerProcess> StartLateServer(BenchServer const& server, Scenario& scenario);

/// Starts this program again for `task`, and waits for what it prints.
/// @throw std::runtime_error
InFlightResult RunInFlightProcess(InFlightTask const& task);

/// In the process that was started so: the task in the arguments behind the mode. Takes all descriptors that it may.
InFlightTask BeginInFlightTask(std::vector<std::string> const& arguments);

/// In the process that was started so: its last word.
void PrintInFlightResult(InFlightResult const& result);

/// What the kernel says of a process, this one or that with a process id: "Threads" in their number, "VmRSS" and "VmHWM" in
/// KiB.
double ProcessStatus(std::string const& field, std::string const& process = "self");

}  // namespace mtlspop::bench
