#pragma once

/// @file
/// Host names to addresses, within a deadline.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/socket.h>

#include "openssl/step.hpp"

namespace mtlspop::openssl {

struct Address {
  sockaddr_storage Storage{};
  socklen_t Length = 0;

  sockaddr const* Get() const noexcept { return reinterpret_cast<sockaddr const*>(&Storage); }
};

struct Question;

/// A lookup that somebody waits for. It leaves when that goes.
///
/// Thread safety: one thread at a time.
class Resolution final {
 public:
  /// Borrows `driver`.
  Resolution(std::string host, std::uint16_t port, Driver& driver);
  ~Resolution();
  Resolution(Resolution const&) = delete;
  Resolution& operator=(Resolution const&) = delete;

  /// The addresses in the order in which to try them: the families take turns, beginning with the one that the system
  /// prefers (RFC 8305 section 4). None as long as the lookup is under way; the driver is woken when it is done. Literal
  /// addresses are not looked up.
  /// @throw Error `name_resolution_failed`, `system_failure`
  std::optional<std::vector<Address>> TryTake();

  /// For a step that waits for it.
  static constexpr char const* What = "Resolving the host name";

 private:
  std::string host_;
  std::uint16_t port_;
  Driver& driver_;
  std::shared_ptr<Wakeable> waker_;
  std::shared_ptr<Question> question_;
};

/// Interleaves the families, keeping the order within each.
std::vector<Address> TakeTurns(std::vector<Address> addresses);

}  // namespace mtlspop::openssl
