#pragma once

/// @file
/// Whose each connection is, written down by this library and not left to WinHTTP.

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "closed_connection.hpp"

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
  /// @param observer is told of connections that are closed
  /// @param callbacks where it is told
  ConnectionLedger(EventSink observer, Executor callbacks)
      : observer_(std::move(observer)), callbacks_(std::move(callbacks)) {}

  /// A connection was made for `owner`: `Session::ConnectionOwner()`, and where it goes to. Returns its number, from 1.
  /// @param host for whoever is told of it
  /// @param x5tS256 likewise
  std::uint64_t Opened(std::string const& localEndpoint, std::string owner, std::string host, std::string x5tS256);
  /// A session has gone, and with it all of its connections. WinHTTP says of no single one when it closes it.
  /// @param session its `Session::ConnectionOwner()`
  void ClosedWith(std::string const& session, CloseReason why) noexcept;

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
    std::string Host;
    std::string X5tS256;
  };

  void Say(Entry&& closed, CloseReason why) const noexcept;

  EventSink const observer_;
  Executor const callbacks_;
  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;
  std::uint64_t opened_ = 0;
  std::uint64_t reused_ = 0;
};

}  // namespace mtlspop::schannel
