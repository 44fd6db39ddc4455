#pragma once

/// @file
/// A server of the test's own that says what it is told to, and tells what it was asked.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <winsock2.h>

namespace mtlspop::windows_tests {

/// Plain HTTP on 127.0.0.1, one connection for each request and one request at a time; for requests without a body.
class LoopbackServer final {
 public:
  /// `answer` is said to every request.
  explicit LoopbackServer(std::string answer);
  ~LoopbackServer();
  LoopbackServer(LoopbackServer const&) = delete;
  LoopbackServer& operator=(LoopbackServer const&) = delete;

  /// "http://127.0.0.1:port"
  std::string Url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  /// Request lines and header fields so far, as they came.
  std::vector<std::string> Heads() const;

 private:
  void Run();
  void Serve(SOCKET connection);

  std::string const answer_;
  SOCKET listener_ = INVALID_SOCKET;
  std::uint16_t port_ = 0;
  std::atomic<bool> isEnding_{false};
  mutable std::mutex mutex_;
  std::vector<std::string> heads_;
  std::thread thread_;
};

}  // namespace mtlspop::windows_tests
