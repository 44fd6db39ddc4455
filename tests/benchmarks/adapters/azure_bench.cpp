#include <cstdio>
#include <ctime>
#include <stdexcept>
#include <vector>

#include <azure/core/http/curl_transport.hpp>
#include <azure/core/internal/http/pipeline.hpp>

#include "adapters/adapters_bench.hpp"
#include "mtlspop/azure/token_binding.hpp"
#include "support/rounds.hpp"
#include "transport/own_peer.hpp"

namespace mtlspop::bench {
namespace {

using Azure::Core::Http::HttpStatusCode;
using Azure::Core::Http::RawResponse;
using Azure::Core::Http::Request;
using Azure::Core::Http::_internal::HttpPipeline;
using Azure::Core::Http::Policies::HttpPolicy;
using Azure::Core::Http::Policies::NextHttpPolicy;

/// A header of a token that is there already, as Azure's own authentication policy writes it.
class BearerHeader final : public HttpPolicy {
 public:
  explicit BearerHeader(std::string token) : token_(std::move(token)) {}
  std::unique_ptr<RawResponse> Send(
      Request& request, NextHttpPolicy next, Azure::Core::Context const& context) const override {
    request.SetHeader("authorization", "Bearer " + token_);
    return next.Send(request, context);
  }
  std::unique_ptr<HttpPolicy> Clone() const override { return std::make_unique<BearerHeader>(token_); }

 private:
  std::string token_;
};

/// Asks for the text of such a header, as Azure's own authentication policy does: in the context of a call.
class AsksForToken final : public HttpPolicy {
 public:
  AsksForToken(std::shared_ptr<azure::BoundTokenCredential> credential, std::string& token)
      : credential_(std::move(credential)), token_(token) {}
  std::unique_ptr<RawResponse> Send(Request&, NextHttpPolicy, Azure::Core::Context const& context) const override {
    token_ = credential_->GetToken({}, context).Token;
    return nullptr;
  }
  std::unique_ptr<HttpPolicy> Clone() const override { return std::make_unique<AsksForToken>(credential_, token_); }

 private:
  std::shared_ptr<azure::BoundTokenCredential> credential_;
  std::string& token_;
};

/// Answers at once, so that what is above it can be measured.
class NoTransport final : public mtlspop::HttpTransport {
 public:
  std::unique_ptr<Response> Send(
      mtlspop::Request&, std::shared_ptr<BindingCertificate const> const&, Context const&) override {
    auto response = std::make_unique<Response>();
    response->StatusCode = 200;
    response->Body = std::make_unique<MemoryBody>(std::string{});
    return response;
  }
};

struct Clients {
  std::unique_ptr<HttpPipeline> Bound;
  std::unique_ptr<HttpPipeline> Curl;
  std::unique_ptr<HttpPipeline> WithPolicy;
  std::unique_ptr<HttpPipeline> WithoutPolicy;
};

Clients MakeClients(Scenario const& scenario, Scenario const& unbound) {
  azure::BoundTokenCredentialOptions options;
  options.Credential = MakeBoundCredential(scenario);
  options.Transport = MakeOwnTransport(scenario);
  options.Observer = {};
  auto const credential = std::make_shared<azure::BoundTokenCredential>(options);
  Azure::Core::_internal::ClientOptions clientOptions;
  azure::UseTokenBinding(clientOptions, credential);
  std::string token;
  {
    std::vector<std::unique_ptr<HttpPolicy>> policies;
    policies.push_back(clientOptions.PerOperationPolicies.front()->Clone());
    policies.push_back(std::make_unique<AsksForToken>(credential, token));
    Request request{Azure::Core::Http::HttpMethod::Get, Azure::Core::Url{UrlOf(scenario)}};
    HttpPipeline{std::move(policies)}.Send(request, {});
  }

  auto const make = [&](bool policy, std::unique_ptr<HttpPolicy> last) {
    std::vector<std::unique_ptr<HttpPolicy>> policies;
    if (policy) policies.push_back(clientOptions.PerOperationPolicies.front()->Clone());
    policies.push_back(std::make_unique<BearerHeader>(token));
    if (policy) policies.push_back(clientOptions.PerRetryPolicies.front()->Clone());
    policies.push_back(std::move(last));
    return std::make_unique<HttpPipeline>(std::move(policies));
  };
  using Azure::Core::Http::Policies::_internal::TransportPolicy;
  Azure::Core::Http::CurlTransportOptions curl;
  curl.CAInfo = unbound.CaFile;
  Azure::Core::Http::Policies::TransportOptions curlTransport;
  curlTransport.Transport = std::make_shared<Azure::Core::Http::CurlTransport>(curl);
  Azure::Core::Http::Policies::TransportOptions noTransport;
  noTransport.Transport = std::make_shared<azure::HttpTransport>(std::make_shared<NoTransport>());
  return {
      make(true, std::make_unique<TransportPolicy>(clientOptions.Transport)),
      make(false, std::make_unique<TransportPolicy>(curlTransport)),
      make(true, std::make_unique<TransportPolicy>(noTransport)),
      make(false, std::make_unique<TransportPolicy>(noTransport))};
}

void RunRequests(HttpPipeline const& pipeline, Scenario const& scenario, int count) {
  Azure::Core::Url const url{UrlOf(scenario)};
  for (int i = 0; i < count; ++i) {
    Request request{Azure::Core::Http::HttpMethod::Get, url};
    request.SetHeader("accept", "application/json");
    request.SetHeader("x-ms-client-request-id", "c0ffee00-0000-4000-8000-000000000000");
    auto const response = pipeline.Send(request, Azure::Core::Context{});
    if (response->GetStatusCode() != HttpStatusCode::Ok) throw std::runtime_error("Azure Core: not 200");
  }
}

double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// Microseconds of CPU time per request. It waits for nothing, so that CPU time is what there is to measure, and what else
/// the machine does plays no part.
double CpuMicroseconds(HttpPipeline const& pipeline, Scenario const& scenario) {
  constexpr int Count = 5'000;
  auto const begin = ThreadSeconds();
  RunRequests(pipeline, scenario, Count);
  return (ThreadSeconds() - begin) / Count * 1e6;
}

void BenchPolicy(Report& report, Clients const& clients, Scenario const& scenario) {
  std::vector<double> with;
  std::vector<double> added;
  for (int round = 0; round < AdapterRounds; ++round) {
    with.push_back(CpuMicroseconds(*clients.WithPolicy, scenario));
    added.push_back(with.back() - CpuMicroseconds(*clients.WithoutPolicy, scenario));
  }
  char note[96];
  std::snprintf(note, sizeof note, "CPU time per request; with them %.1f us", Median(with));
  report.Add({"Azure policies, what they add", Median(added), "us", 3.0, false, note});
}

}  // namespace

void BenchAzure(Report& report, BenchServer const& server, BenchOptions const& options) {
  auto const scenario = server.KeepAlive(false);
  auto const unbound = server.WithoutCertificate();
  auto const clients = MakeClients(scenario, unbound);
  char note[96];
  if (options.Wants("Azure GET: bound / CurlTransport without certificate")) {
    int const count = options.Quick ? 500 : 2000;
    auto const times = TakeTurns(
        {{"bound", [&] { RunRequests(*clients.Bound, scenario, count); }},
         {"curl", [&] { RunRequests(*clients.Curl, unbound, count); }}},
        AdapterRounds);
    std::snprintf(
        note, sizeof note, "bound %.1f us, CurlTransport %.1f us", Median(times[0]) / count * 1e6,
        Median(times[1]) / count * 1e6);
    report.Add(
        {"Azure GET: bound / CurlTransport without certificate", MedianRatio(times[0], times[1]), "x", 1.0, false,
         note});
  }
  if (options.Wants("Azure policies")) {
    BenchPolicy(report, clients, scenario);
  }
}

}  // namespace mtlspop::bench
