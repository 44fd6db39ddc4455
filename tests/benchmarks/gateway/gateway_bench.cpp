/// @file
/// `mtlspop serve` beside what else puts a client certificate in front of programs that have none.

#include "gateway/gateway_bench.hpp"

#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "adapters/late_server.hpp"

int main(int argc, char** argv) {
  using namespace mtlspop::bench;
  try {
    std::vector<std::string> const arguments(argv + 1, argv + argc);
    if (!arguments.empty() && arguments.front() == LateServerMode) {
      return RunLateServer({arguments.begin() + 1, arguments.end()});
    }
    auto const options = BenchOptions::Parse(argc, argv);
    Report report{"gateway"};
    BenchWays(report, options);
    BenchCrowds(report, options);
    BenchFire(report, options);
    return report.Finish(options);
  } catch (std::exception const& error) {
    std::cerr << "mtlspop-bench-gateway: " << error.what() << '\n';
    return 1;
  }
}
