#include <cstdio>
#include <stdexcept>

#include "metrics.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace metrics {
namespace {

using Time = std::chrono::system_clock::time_point;

/// RFC 8259 section 7.
std::string Quoted(std::string const& text) {
  std::string quoted{'"'};
  for (char const character : text) {
    if (static_cast<unsigned char>(character) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(character));
      quoted += escaped;
      continue;
    }
    if (character == '"' || character == '\\') quoted += '\\';
    quoted += character;
  }
  return quoted + '"';
}

/// 64-bit integers are texts in the JSON of protocol buffers.
template <typename Number>
std::string Integer(Number number) {
  return Quoted(std::to_string(number));
}

std::string Nanoseconds(Time time) {
  return Integer(std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

std::string Attributes(Labels const& labels) {
  std::string text;
  for (auto const& [name, value] : labels) {
    text += text.empty() ? "" : ",";
    text += "{\"key\":" + Quoted(name) + ",\"value\":{\"stringValue\":" + Quoted(value) + "}}";
  }
  return "\"attributes\":[" + text + "]";
}

std::string Buckets(Histogram const& histogram) {
  std::string counts;
  for (auto const count : histogram.Buckets) counts += (counts.empty() ? "" : ",") + Integer(count);
  std::string bounds;
  for (auto const bound : Bounds) bounds += (bounds.empty() ? "" : ",") + std::to_string(bound);
  return "\"count\":" + Integer(histogram.Count) + ",\"sum\":" + std::to_string(histogram.Sum) + ",\"bucketCounts\":[" +
         counts + "],\"explicitBounds\":[" + bounds + "]";
}

/// One metric with all its data points. What stands behind each point is `value`'s.
template <typename Values, typename ToMembers>
std::string Metric(
    std::string const& name, std::string const& kind, Values const& values, std::string const& times, ToMembers value) {
  std::string points;
  for (auto const& [labels, figure] : values) {
    points += (points.empty() ? "" : ",");
    points += "{" + Attributes(labels) + "," + times + "," + value(figure) + "}";
  }
  auto const temporality =
      kind == "gauge" ? std::string{}
                      : std::string{",\"aggregationTemporality\":2"} + (kind == "sum" ? ",\"isMonotonic\":true" : "");
  return "{\"name\":" + Quoted(name) + ",\"" + kind + "\":{\"dataPoints\":[" + points + "]" + temporality + "}}";
}

}  // namespace

std::string ToOpenTelemetry(Snapshot const& figures, std::string const& serviceName, Time begun, Time now) {
  auto const times = "\"startTimeUnixNano\":" + Nanoseconds(begun) + ",\"timeUnixNano\":" + Nanoseconds(now);
  std::string all;
  auto const add = [&all](std::string const& metric) { all += (all.empty() ? "" : ",") + metric; };
  auto const number = [](auto figure) { return "\"asInt\":" + Integer(figure); };
  for (auto const& [name, values] : figures.Counters) add(Metric(name, "sum", values, times, number));
  for (auto const& [name, values] : figures.Gauges) add(Metric(name, "gauge", values, times, number));
  for (auto const& [name, values] : figures.Histograms) add(Metric(name, "histogram", values, times, &Buckets));
  return "{\"resourceMetrics\":[{\"resource\":{" + Attributes({{"service.name", serviceName}}) +
         "},\"scopeMetrics\":[{\"scope\":{\"name\":\"mtlspop\"},\"metrics\":[" + all + "]}]}]}";
}

void ExportToOpenTelemetry(std::string const& endpoint, std::string body) {
  mtlspop::TransportOptions options;
  // Nobody is told of the telling.
  options.Observer = std::shared_ptr<mtlspop::Observer>{};
  auto const transport = mtlspop::MakeHttpTransport(options);
  bool const endsInSlash = !endpoint.empty() && endpoint.back() == '/';
  mtlspop::Request request{"POST", mtlspop::Url::Parse(endpoint + (endsInSlash ? "v1/metrics" : "/v1/metrics"))};
  request.Fields.Set("Content-Type", "application/json");
  request.SetBody(std::move(body));
  auto const answer = transport->Send(request, nullptr, mtlspop::Context{}.WithTimeout(std::chrono::seconds{10}));
  if (answer->StatusCode / 100 != 2) {
    throw std::runtime_error{endpoint + " did not take the metrics: status " + std::to_string(answer->StatusCode)};
  }
}

}  // namespace metrics
