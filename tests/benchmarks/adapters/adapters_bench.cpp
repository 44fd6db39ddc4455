#include "adapters/adapters_bench.hpp"

#include <algorithm>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "adapters/in_flight.hpp"
#include "adapters/late_server.hpp"
#include "transport/own_peer.hpp"

namespace mtlspop::bench {

std::shared_ptr<StaticCredential> MakeBoundCredential(Scenario const& scenario) {
  AccessToken token;
  // {"cnf":{"x5t#S256":"abc"},"pad":"..."}, as long as real ones are.
  std::string payload = "eyJjbmYiOnsieDV0I1MyNTYiOiJhYmMifSwicGFkIjoi";
  for (int i = 0; i < 390; ++i) payload += "YWFh";
  token.Token = Secret{"eyJhbGciOiJub25lIn0." + payload + "In0.c2lnbmF0dXJl"};
  token.Type = TokenType::MtlsPop;
  token.Binding = LoadBinding(scenario);
  token.ExpiresOn = std::chrono::system_clock::now() + std::chrono::hours{24};
  token.RefreshOn = token.ExpiresOn;
  return std::make_shared<StaticCredential>(std::move(token));
}

}  // namespace mtlspop::bench

int main(int argc, char** argv) {
  using namespace mtlspop::bench;
  try {
    std::string const mode = argc > 1 ? argv[1] : "";
    std::vector<std::string> const rest(argv + std::min(argc, 2), argv + argc);
    if (mode == LateServerMode) return RunLateServer(rest);
    if (mode == InFlightMode) return RunInFlight(rest);
    auto const options = BenchOptions::Parse(argc, argv);
    BenchServer const server;
    Report report{"adapters"};
    BenchCpprest(report, server, options);
    BenchInFlight(report, server, options);
    BenchAzure(report, server, options);
    return report.Finish(options);
  } catch (std::exception const& error) {
    std::cerr << "mtlspop-bench-adapters: " << error.what() << '\n';
    return 1;
  }
}
