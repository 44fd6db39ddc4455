#pragma once

/// @file
/// Metrics of a process that uses mtlspop, from its events alone.

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "mtlspop/transport/observer.hpp"

namespace metrics {

/// Names and values that a figure belongs to, for example the host.
using Labels = std::vector<std::pair<std::string, std::string>>;

/// Upper bounds of the buckets of durations, in milliseconds; the last bucket has none.
inline constexpr std::array<std::int64_t, 8> Bounds{5, 25, 100, 250, 1'000, 2'500, 10'000, 30'000};

struct Histogram {
  std::array<std::uint64_t, Bounds.size() + 1> Buckets{};
  std::uint64_t Count = 0;
  std::int64_t Sum = 0;
};

/// All figures at a moment, each under the name of its metric.
struct Snapshot {
  std::map<std::string, std::map<Labels, std::uint64_t>> Counters;
  std::map<std::string, std::map<Labels, std::int64_t>> Gauges;
  std::map<std::string, std::map<Labels, Histogram>> Histograms;
};

/// Counts. What it keeps is small, since hosts, error codes and credentials are few.
///
/// Thread safety: all members may be called from any thread.
class MetricsObserver final : public mtlspop::Observer {
 public:
  void OnEvent(mtlspop::Event const& event) override;
  mtlspop::Severity Minimum() const noexcept override { return mtlspop::Severity::Info; }

  Snapshot Take() const;
  /// When it began to count.
  std::chrono::system_clock::time_point Begun() const noexcept { return begun_; }

 private:
  std::chrono::system_clock::time_point const begun_ = std::chrono::system_clock::now();
  mutable std::mutex mutex_;
  Snapshot figures_;
};

/// The text exposition format of Prometheus, version 0.0.4.
std::string ToPrometheus(Snapshot const& figures);

/// The body of an OTLP/HTTP request to /v1/metrics, in JSON (OpenTelemetry protocol 1.x, cumulative).
std::string ToOpenTelemetry(
    Snapshot const& figures,
    std::string const& serviceName,
    std::chrono::system_clock::time_point begun,
    std::chrono::system_clock::time_point now);

/// Sends that body to a collector.
/// @param endpoint for example "http://127.0.0.1:4318"
/// @throw mtlspop::Error, std::runtime_error where the collector does not take it
void ExportToOpenTelemetry(std::string const& endpoint, std::string body);

}  // namespace metrics
