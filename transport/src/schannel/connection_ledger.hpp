#pragma once

/// @file
/// Whose each connection is, written down by this library and not left to WinHTTP.

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace mtlspop::schannel {

/// Remembers for each connection of a transport what it was made for. WinHTTP shares connections between sessions
/// unless each is told not to, which only a newer Windows understands (WINHTTP_OPTION_DISABLE_GLOBAL_POOLING): this
/// makes sure on every one. A connection is known by its address and port on this side. Two that live and go to
/// different places may share those, so the place belongs to the owner; the newer one is remembered then, and the other
/// is nobody's.
///
/// Thread safety: all members may be called from any thread at any time.
class ConnectionLedger final {
 public:
  /// A connection was made for `owner`: `Session::ConnectionOwner()`, and where it goes to. Returns its number, from 1.
  std::uint64_t Opened(std::string const& localEndpoint, std::string owner);

  /// The number of the connection where it belongs to `owner`; none where it belongs to another, or to nobody known.
  std::optional<std::uint64_t> Find(std::string const& localEndpoint, std::string const& owner) const;

  /// Counts a request that reused a connection.
  void CountReuse();

  std::uint64_t OpenedSoFar() const;
  std::uint64_t ReusedSoFar() const;

 private:
  struct Entry {
    std::string Owner;
    std::uint64_t Number = 0;
  };

  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;
  std::uint64_t opened_ = 0;
  std::uint64_t reused_ = 0;
};

}  // namespace mtlspop::schannel
