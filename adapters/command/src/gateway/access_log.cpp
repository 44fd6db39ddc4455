#include "gateway/access_log.hpp"

#include <array>
#include <cstdio>
#include <ctime>

#include <nlohmann/json.hpp>

#include "mtlspop/transport/redact.hpp"

namespace mtlspop::gateway {
namespace {

// Nobody looks for more in a log, and the line is one write to a pipe then.
constexpr std::size_t LongestPath = 2048;

// RFC 3339 section 5.6.
std::string TimeText(std::chrono::system_clock::time_point now) {
  auto const seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 96> text{};
  std::snprintf(
      text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
      parts.tm_hour, parts.tm_min, parts.tm_sec);
  return text.data();
}

}  // namespace

std::string AccessLogLine(ExchangeRecord const& record, std::chrono::system_clock::time_point now) {
  nlohmann::ordered_json line{
      {"time", TimeText(now)},
      {"method", Redact(record.Method.substr(0, 32))},
      {"path", Redact(record.Path.substr(0, LongestPath))},
      {"origin", record.Origin},
      {"status", record.Status},
      {"bytes_in", record.BytesIn},
      {"bytes_out", record.BytesOut},
      {"duration_ms", static_cast<double>(record.Duration.count()) / 1000},
      {"correlation_id", record.CorrelationId}};
  if (!record.ErrorCode.empty()) line["error"] = record.ErrorCode;
  if (!record.IsComplete) line["client_left"] = true;
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace mtlspop::gateway
