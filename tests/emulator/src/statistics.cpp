#include "statistics.hpp"

#include <nlohmann/json.hpp>

#include "system.hpp"

namespace mtlspop_emulator {
namespace {

using nlohmann::json;

// Paths beyond this many are counted together, so that a test with a path per request stays in memory.
constexpr std::size_t DistinctPaths = 5000;

std::uint64_t Count(std::chrono::microseconds time) { return static_cast<std::uint64_t>(time.count()); }

}  // namespace

Stopwatch::Stopwatch() : _wall(std::chrono::steady_clock::now()), _cpu(ThreadCpuTime()) {}

std::chrono::microseconds Stopwatch::Wall() const {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - _wall);
}

std::chrono::microseconds Stopwatch::Cpu() const {
  return std::chrono::duration_cast<std::chrono::microseconds>(ThreadCpuTime() - _cpu);
}

void Statistics::CountConnection(std::string_view service) {
  std::lock_guard const lock(_mutex);
  ++_connections[std::string(service)];
}

void Statistics::CountHandshake(std::string_view service, bool ok, bool resumed, Stopwatch const& watch) {
  std::lock_guard const lock(_mutex);
  auto& counts = _handshakes[std::string(service)];
  ++(!ok ? counts.Failed : resumed ? counts.Resumed : counts.Full);
  counts.CpuUs += Count(watch.Cpu());
}

void Statistics::CountCertificateRequest(std::string_view service) {
  std::lock_guard const lock(_mutex);
  ++_handshakes[std::string(service)].CertificateRequests;
}

void Statistics::CountRequest(
    std::string_view service, std::string const& path, unsigned status, Stopwatch const& watch) {
  std::lock_guard const lock(_mutex);
  auto key = std::make_tuple(std::string(service), path, status);
  if (_requests.size() >= DistinctPaths && _requests.count(key) == 0) {
    std::get<1>(key) = "(other)";
  }
  auto& counts = _requests[key];
  ++counts.Count;
  counts.BusyUs += Count(watch.Wall());
  counts.CpuUs += Count(watch.Cpu());
}

void Statistics::CountMismatch() {
  std::lock_guard const lock(_mutex);
  ++_mismatches;
}

void Statistics::CountCredential(std::string const& clientId) {
  std::lock_guard const lock(_mutex);
  ++_credentials[clientId];
}

void Statistics::CountToken(std::string const& type) {
  std::lock_guard const lock(_mutex);
  ++_tokens[type];
}

void Statistics::Clear() {
  std::lock_guard const lock(_mutex);
  _connections.clear();
  _handshakes.clear();
  _requests.clear();
  _credentials.clear();
  _tokens.clear();
  _mismatches = 0;
}

json Statistics::ToJson() const {
  std::lock_guard const lock(_mutex);
  std::uint64_t credentials = 0;
  for (auto const& [clientId, count] : _credentials) {
    credentials += count;
  }
  std::uint64_t tokens = 0;
  for (auto const& [type, count] : _tokens) {
    tokens += count;
  }
  json handshakes = json::object();
  for (auto const& [service, counts] : _handshakes) {
    handshakes[service] = {
        {"full", counts.Full},
        {"resumed", counts.Resumed},
        {"failed", counts.Failed},
        {"certificate_requests", counts.CertificateRequests},
        {"cpu_us", counts.CpuUs}};
  }
  json requests = json::array();
  for (auto const& [key, counts] : _requests) {
    auto const& [service, path, status] = key;
    requests.push_back(
        {{"service", service},
         {"path", path},
         {"status", status},
         {"count", counts.Count},
         {"busy_us", counts.BusyUs},
         {"cpu_us", counts.CpuUs}});
  }
  return {{"credentials_issued", credentials}, {"credentials_by_client", _credentials},
          {"tokens_issued", tokens},           {"tokens_by_type", _tokens},
          {"mismatches", _mismatches},         {"connections", _connections},
          {"handshakes", handshakes},          {"requests", requests}};
}

}  // namespace mtlspop_emulator
