#pragma once

/// @file
/// A client without TLS, as programs behind a gateway are.

#include <cstddef>
#include <cstdint>
#include <string>

#include "mtlspop/base/posix/descriptor.hpp"

namespace mtlspop::bench {

/// Where a client connects: a unix socket, or a loopback port where there is no path.
struct Place {
  std::string SocketPath;
  std::uint16_t Port = 0;
};

/// A new connection.
/// @throw std::runtime_error
Descriptor Connect(Place const& place);

/// Finds the end of an answer that has a Content-Length.
class AnswerReader final {
 public:
  /// Takes what has come. True with the answer's last byte.
  /// @throw std::runtime_error for an answer without a length
  bool Take(char const* bytes, std::size_t count);
  /// Of the answer that has ended; 0 where there is none yet.
  int Status() const noexcept { return status_; }
  /// Its header.
  std::string const& Head() const noexcept { return head_; }
  std::uint64_t BodyBytes() const noexcept { return length_; }
  void Reset();

 private:
  std::string head_;
  int status_ = 0;
  std::uint64_t length_ = 0;
  std::uint64_t left_ = 0;
};

/// A connection for one thread that waits.
class PlainConnection final {
 public:
  explicit PlainConnection(Place const& place) : socket_(Connect(place)) {}

  /// Sends `request` and reads the answer; the length of its body.
  /// @throw std::runtime_error where it is not a success
  std::uint64_t Exchange(std::string const& request);
  void WriteAll(char const* bytes, std::size_t count);
  std::uint64_t ReadAnswer();

 private:
  Descriptor socket_;
};

/// A request through a gateway for `path` of the origin behind it.
std::string PlainRequest(std::string const& path, std::string const& host);

}  // namespace mtlspop::bench
