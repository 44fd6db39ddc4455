#include <cstdio>
#include <stdexcept>
#include <vector>

#include <cpprest/http_client.h>

#include "adapters/adapters_bench.hpp"
#include "adapters/cpprest_clients.hpp"
#include "mtlspop/cpprest/handler.hpp"
#include "support/rounds.hpp"
#include "transport/own_peer.hpp"

namespace mtlspop::bench {

using web::http::client::http_client;
using web::http::client::http_client_config;

namespace {

http_client_config Config() {
  http_client_config config;
  config.set_timeout(std::chrono::minutes{5});
  return config;
}

}  // namespace

http_client MakePlainClient(Scenario const& scenario) {
  auto config = Config();
  config.set_ssl_context_callback([scenario](boost::asio::ssl::context& context) {
    context.load_verify_file(scenario.CaFile);
    context.use_certificate_chain_file(scenario.CertificateFile);
    context.use_private_key_file(scenario.PrivateKeyFile, boost::asio::ssl::context::pem);
    SSL_CTX_set_max_proto_version(context.native_handle(), TLS1_2_VERSION);
  });
  return {"https://localhost:" + std::to_string(scenario.Port), config};
}

http_client MakeBoundClient(Scenario const& scenario, std::size_t connections) {
  cpprest::HandlerOptions options;
  options.Transport = MakeOwnTransport(scenario, connections);
  options.Scopes = {"https://localhost/.default"};
  options.Observer = {};
  return cpprest::MakeClient(
      "https://localhost:" + std::to_string(scenario.Port), MakeBoundCredential(scenario), Config(), options);
}

namespace {

// One application's work: as many requests at once as asked for, until `count` are done, each answer read to its end.
void RunRequests(http_client& client, std::string const& path, std::string const& token, int count, int inFlight) {
  std::vector<pplx::task<web::http::http_response>> tasks;
  for (int done = 0; done < count; done += inFlight) {
    tasks.clear();
    for (int i = 0; i < inFlight; ++i) {
      web::http::http_request request{web::http::methods::GET};
      request.set_request_uri(path);
      // So that both send the same.
      if (!token.empty()) request.headers().add("Authorization", token);
      tasks.push_back(client.request(request));
    }
    for (auto const& task : tasks) {
      auto const response = task.get();
      if (response.status_code() != web::http::status_codes::OK) throw std::runtime_error("cpprestsdk: not 200");
      response.content_ready().wait();
    }
  }
}

}  // namespace

void BenchCpprest(Report& report, BenchServer const& server, BenchOptions const& options) {
  auto const scenario = server.KeepAlive(false);
  auto plain = MakePlainClient(scenario);
  auto bound = MakeBoundClient(scenario, 2000);
  auto const token = MakeBoundCredential(scenario)->GetToken({}, {}).AuthorizationHeader();
  for (int const inFlight : {1, 64}) {
    auto const name = "cpprestsdk GET, " + std::to_string(inFlight) + " in flight: bound / plain";
    if (!options.Wants(name)) continue;
    int const count = (options.Quick ? 512 : 2048);
    auto const times = TakeTurns(
        {{"bound", [&] { RunRequests(bound, scenario.Path, {}, count, inFlight); }},
         {"plain", [&] { RunRequests(plain, scenario.Path, token, count, inFlight); }}},
        AdapterRounds);
    char note[96];
    std::snprintf(
        note, sizeof note, "bound %.1f us, plain %.1f us", Median(times[0]) / count * 1e6,
        Median(times[1]) / count * 1e6);
    report.Add({name, MedianRatio(times[0], times[1]), "x", inFlight == 1 ? 0.6 : 0.3, false, note});
  }
}

}  // namespace mtlspop::bench
