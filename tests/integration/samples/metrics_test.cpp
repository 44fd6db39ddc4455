// The sample that counts: what Prometheus and OpenTelemetry collectors are told.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "metrics/metrics.hpp"
#include "support/scripted_server.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;

/// What a process of an hour tells, in short.
metrics::Snapshot SomeFigures() {
  auto const observer = std::make_shared<metrics::MetricsObserver>();
  EventSink const sink{observer};
  auto const credential = sink.With({{"credential", "ManagedIdentityCredential"}, {"identity", "system-assigned"}});
  credential.Tell(Severity::Info, "token.obtained", {{"type", "mtls_pop"}, {"days_left", 6}});
  credential.Tell(Severity::Warning, "token.failed", {{"error", "imds_not_reachable"}});
  for (int const duration : {3, 30, 30'001}) {
    sink.Tell(Severity::Info, "request.answered", {{"host", "a.example"}, {"status", 200}, {"duration_ms", duration}});
  }
  sink.Tell(Severity::Info, "request.retried", {{"host", "a.example"}});
  sink.Tell(Severity::Debug, "transport.connected", {{"host", "a.example"}});
  return observer->Take();
}

TEST(MetricsSample, WritesWhatPrometheusReads) {
  auto const text = metrics::ToPrometheus(SomeFigures());
  for (char const* const line :
       {"# TYPE mtlspop_requests_total counter\nmtlspop_requests_total{host=\"a.example\",status=\"200\"} 3\n",
        "# TYPE mtlspop_certificate_days_left gauge\n",
        "mtlspop_certificate_days_left{credential=\"ManagedIdentityCredential\",identity=\"system-assigned\"} 6\n",
        "mtlspop_tokens_failed_total{credential=\"ManagedIdentityCredential\",error=\"imds_not_reachable\"} 1\n",
        "# TYPE mtlspop_request_duration_milliseconds histogram\n",
        "mtlspop_request_duration_milliseconds_bucket{host=\"a.example\",le=\"5\"} 1\n",
        "mtlspop_request_duration_milliseconds_bucket{host=\"a.example\",le=\"100\"} 2\n",
        "mtlspop_request_duration_milliseconds_bucket{host=\"a.example\",le=\"+Inf\"} 3\n",
        "mtlspop_request_duration_milliseconds_sum{host=\"a.example\"} 30034\n",
        "mtlspop_request_duration_milliseconds_count{host=\"a.example\"} 3\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(MetricsSample, SendsWhatACollectorTakes) {
  std::string body;
  ScriptedServer server{[&](ScriptedConnection& connection) {
    auto const request = connection.ReadRequest();
    body = request.Method + " " + request.Target + " " + request.Body;
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
  }};
  using Time = std::chrono::system_clock::time_point;
  metrics::ExportToOpenTelemetry(
      server.Url(), metrics::ToOpenTelemetry(
                        SomeFigures(), "a \"service\"", Time{std::chrono::seconds{1}}, Time{std::chrono::seconds{2}}));
  ASSERT_EQ(body.rfind("POST /v1/metrics {", 0), 0U) << body;
  auto const sent = nlohmann::json::parse(body.substr(body.find('{')));
  auto const& resource = sent.at("resourceMetrics").at(0);
  EXPECT_EQ(resource.at("resource").at("attributes").at(0).at("value").at("stringValue"), "a \"service\"");
  std::map<std::string, nlohmann::json> byName;
  for (auto const& metric : resource.at("scopeMetrics").at(0).at("metrics")) {
    byName[metric.at("name").get<std::string>()] = metric;
  }
  auto const& requests = byName.at("mtlspop_requests").at("sum");
  EXPECT_EQ(requests.at("aggregationTemporality"), 2);
  EXPECT_EQ(requests.at("isMonotonic"), true);
  auto const& point = requests.at("dataPoints").at(0);
  EXPECT_EQ(point.at("asInt"), "3");
  EXPECT_EQ(point.at("startTimeUnixNano"), "1000000000");
  EXPECT_EQ(point.at("timeUnixNano"), "2000000000");
  auto const& histogram = byName.at("mtlspop_request_duration_milliseconds").at("histogram").at("dataPoints").at(0);
  EXPECT_EQ(histogram.at("count"), "3");
  EXPECT_EQ(histogram.at("bucketCounts").size(), histogram.at("explicitBounds").size() + 1);
  EXPECT_EQ(byName.at("mtlspop_certificate_days_left").at("gauge").at("dataPoints").at(0).at("asInt"), "6");
}

}  // namespace
}  // namespace mtlspop::test
