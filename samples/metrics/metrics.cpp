#include "metrics.hpp"

#include <algorithm>

namespace metrics {
namespace {

std::string Text(mtlspop::Event const& event, char const* name) { return std::string{event.Text(name)}; }

void Add(Histogram& histogram, std::int64_t milliseconds) {
  auto const bound = std::find_if(Bounds.begin(), Bounds.end(), [&](auto each) { return milliseconds <= each; });
  ++histogram.Buckets[static_cast<std::size_t>(bound - Bounds.begin())];
  ++histogram.Count;
  histogram.Sum += milliseconds;
}

}  // namespace

void MetricsObserver::OnEvent(mtlspop::Event const& event) {
  std::lock_guard const lock{mutex_};
  auto& counters = figures_.Counters;
  if (event.Name == "request.answered") {
    auto const host = Text(event, "host");
    ++counters["mtlspop_requests"][{{"host", host}, {"status", std::to_string(event.Number("status"))}}];
    Add(figures_.Histograms["mtlspop_request_duration_milliseconds"][{{"host", host}}], event.Number("duration_ms"));
  } else if (event.Name == "request.failed") {
    ++counters["mtlspop_requests_failed"][{{"host", Text(event, "host")}, {"error", Text(event, "error")}}];
  } else if (event.Name == "request.retried") {
    ++counters["mtlspop_retries"][{{"host", Text(event, "host")}}];
  } else if (event.Name == "request.refused") {
    ++counters["mtlspop_refusals"][{{"host", Text(event, "host")}, {"reason", Text(event, "reason")}}];
  } else if (event.Name == "pool.waited") {
    Add(figures_.Histograms["mtlspop_pool_wait_milliseconds"][{{"host", Text(event, "host")}}],
        event.Number("duration_ms"));
  } else if (event.Name == "token.obtained") {
    auto const credential = Text(event, "credential");
    auto const identity = Text(event, "identity");
    ++counters["mtlspop_tokens"][{{"credential", credential}, {"identity", identity}, {"type", Text(event, "type")}}];
    if (auto const days = event.Number("days_left", -1); days >= 0) {
      figures_.Gauges["mtlspop_certificate_days_left"][{{"credential", credential}, {"identity", identity}}] = days;
    }
  } else if (event.Name == "token.failed" || event.Name == "token.refresh_failed") {
    ++counters["mtlspop_tokens_failed"][{{"credential", Text(event, "credential")}, {"error", Text(event, "error")}}];
  } else if (event.Name == "token.fell_back_to_bearer") {
    ++counters["mtlspop_fallbacks"][{{"error", Text(event, "error")}}];
  } else if (event.Name == "binding.issued") {
    ++counters["mtlspop_certificates_issued"][{{"identity", Text(event, "identity")}}];
  } else if (event.Name == "key.made") {
    ++counters["mtlspop_keys_made"][{{"strength", Text(event, "strength")}}];
  }
}

Snapshot MetricsObserver::Take() const {
  std::lock_guard const lock{mutex_};
  return figures_;
}

}  // namespace metrics
