#pragma once

/// @file
/// A port that neither accepts nor refuses.

#include <cstdint>
#include <string>
#include <vector>

namespace mtlspop::test {

/// Listens with a full queue, so that further connections hang in the TCP handshake, as behind a firewall that drops.
class SilentListener final {
 public:
  /// @param address a literal loopback address.
  /// @param port 0 for an ephemeral one.
  /// @throw std::system_error where the address or the port cannot be had.
  explicit SilentListener(std::string const& address, std::uint16_t port = 0);
  ~SilentListener();
  SilentListener(SilentListener const&) = delete;
  SilentListener& operator=(SilentListener const&) = delete;

  std::uint16_t Port() const noexcept { return port_; }

 private:
  std::uint16_t port_ = 0;
  std::vector<int> sockets_;
};

/// Whether this machine has the loopback address ::1; containers often have not.
bool HasIpv6Loopback();

}  // namespace mtlspop::test
