#pragma once

/// @file
/// A TCP connection to a host that has several addresses.

#include <cerrno>
#include <cstddef>
#include <string>
#include <vector>

#include "openssl/name_resolution.hpp"
#include "openssl/socket.hpp"
#include "openssl/step.hpp"

namespace mtlspop::openssl {

/// Connects to one of a host's addresses. Attempts start 250 ms apart, or as soon as the one before has failed; the first
/// that succeeds wins (RFC 8305 section 5).
///
/// Thread safety: one thread at a time.
class Race final {
 public:
  /// @param name for texts
  Race(std::vector<Address> addresses, std::string name) : addresses_(std::move(addresses)), name_(std::move(name)) {}

  /// Done once there is a winner.
  /// @throw Error `connect_failed`, `system_failure`
  Step Advance();
  /// The winner.
  Descriptor Take() noexcept { return std::move(winner_); }

 private:
  Context::TimePoint StartDue();
  static bool HasEnded(Descriptor const& socket) noexcept;
  void Collect();
  [[noreturn]] void ThrowFailed() const;

  std::vector<Address> addresses_;
  std::string name_;
  std::size_t next_ = 0;
  Context::TimePoint nextStart_{};
  int lastFailure_ = EHOSTUNREACH;
  std::vector<pollfd> running_;
  std::vector<Descriptor> sockets_;
  Descriptor winner_;
};

}  // namespace mtlspop::openssl
