// Counters of a run, and the emulator's own share of the time.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <tuple>

namespace mtlspop_emulator {

// Wall time and CPU time of the current thread since construction.
class Stopwatch {
 public:
  Stopwatch();
  std::chrono::microseconds Wall() const;
  std::chrono::microseconds Cpu() const;

 private:
  std::chrono::steady_clock::time_point _wall;
  std::chrono::nanoseconds _cpu;
};

// Thread safe.
class Statistics {
 public:
  void CountConnection(std::string_view service);
  void CountHandshake(std::string_view service, bool ok, bool resumed, Stopwatch const& watch);
  void CountCertificateRequest(std::string_view service);
  void CountRequest(std::string_view service, std::string const& path, unsigned status, Stopwatch const& watch);
  void CountMismatch();
  void CountCredential(std::string const& clientId);
  void CountToken(std::string const& type);
  void Clear();
  nlohmann::json ToJson() const;

 private:
  struct Handshakes {
    std::uint64_t Full = 0, Resumed = 0, Failed = 0, CertificateRequests = 0, CpuUs = 0;
  };
  struct Requests {
    std::uint64_t Count = 0, BusyUs = 0, CpuUs = 0;
  };

  mutable std::mutex _mutex;
  std::map<std::string, std::uint64_t, std::less<>> _connections;
  std::map<std::string, Handshakes, std::less<>> _handshakes;
  std::map<std::tuple<std::string, std::string, unsigned>, Requests> _requests;
  std::map<std::string, std::uint64_t> _credentials;
  std::map<std::string, std::uint64_t> _tokens;
  std::uint64_t _mismatches = 0;
};

}  // namespace mtlspop_emulator
