#pragma once

/// @file
/// Many connections at once, each with one request after the other.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "gateway/plain_connection.hpp"

namespace mtlspop::bench {

/// What became of requests.
struct Tally {
  /// By status.
  std::map<int, std::uint64_t> Answered;
  /// Answers that broke off, or never came.
  std::uint64_t Broken = 0;

  std::uint64_t Total() const;
  std::uint64_t Succeeded() const;
};

/// One thread with many connections, which stay open between the runs.
class Load final {
 public:
  Load(Place place, std::string request, std::size_t connections);

  /// Sends that many requests and waits for what becomes of them. A connection that is closed is made anew.
  /// @param tick called now and then
  Tally Run(std::uint64_t requests, std::function<void()> const& tick = nullptr);
  /// All connections are closed.
  void Close() { connections_.clear(); }

 private:
  struct Connection {
    Descriptor Socket;
    AnswerReader Reader;
    bool IsWaiting = false;
  };

  void Send(Connection& connection);
  void Receive(Connection& connection, Tally& tally);

  Place const place_;
  std::string const request_;
  Descriptor const poll_;
  std::vector<Connection> connections_;
};

}  // namespace mtlspop::bench
