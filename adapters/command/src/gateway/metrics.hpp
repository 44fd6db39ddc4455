#pragma once

/// @file
/// Numbers for people on call, in Prometheus's text format.

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "gateway/connection.hpp"
#include "mtlspop/credential/access_token.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::gateway {

/// "too_many_connections", "owner_not_allowed", "nothing_left".
std::string_view ToString(NotAccepted why) noexcept;

/// Thread safety: all members may be called from any thread.
class Metrics final {
 public:
  void Record(ExchangeRecord const& record);
  /// @return how many there were of this kind since this last returned a number; 0 where it did so less than ten seconds before
  std::uint64_t RecordNotAccepted(NotAccepted why, std::chrono::steady_clock::time_point now);
  /// A token that a credential gave for the identity of this name, or failed to.
  void RecordToken(std::string const& identity, AccessToken const& token);
  void RecordTokenFailure(std::string_view code);
  /// The code of the last failure where token after token could not be had, three at least; "" else.
  std::string TokenTrouble() const;

  /// @param now for the days that certificates have left
  std::string Text(
      std::chrono::system_clock::time_point now, std::size_t connections, PoolStatistics const& pool) const;

 private:
  struct Requests {
    std::uint64_t Count = 0;
    std::uint64_t BytesIn = 0;
    std::uint64_t BytesOut = 0;
    double Seconds = 0;
  };
  struct Unaccepted {
    std::uint64_t Count = 0;
    std::uint64_t Told = 0;
    std::optional<std::chrono::steady_clock::time_point> ToldAt;
  };
  struct Binding {
    std::string X5tS256;
    std::chrono::system_clock::time_point NotAfter;
    std::uint64_t Rotations = 0;
  };

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, Requests> requests_;
  std::map<std::string, std::uint64_t> failures_;
  std::map<NotAccepted, Unaccepted> unaccepted_;
  std::map<std::string, std::uint64_t> tokens_;
  std::map<std::string, std::uint64_t> tokenFailures_;
  std::map<std::string, Binding> bindings_;
  int tokenFailuresInARow_ = 0;
  std::string lastTokenFailure_;
};

}  // namespace mtlspop::gateway
