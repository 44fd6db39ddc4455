#pragma once

/// @file
/// Connections that wait for their next request, each under the (origin, proxy, `x5t#S256`) it was made for.

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "mtlspop/base/fork_epoch.hpp"
#include "mtlspop/base/wait.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "openssl/connection.hpp"

namespace mtlspop::openssl {

/// What a connection is made for, and nothing else ever uses it for. Borrows its texts.
struct PoolKeyView {
  std::string_view Scheme;
  std::string_view Host;
  std::uint16_t Port;
  /// The URL of the proxy in between, "" for none.
  std::string_view Proxy;
  /// "" for a connection that presents no certificate.
  std::string_view X5tS256;
};

/// The same, owning its texts.
struct PoolKey {
  explicit PoolKey(PoolKeyView const& key);
  PoolKeyView View() const noexcept { return {Scheme, Host, Port, Proxy, X5tS256}; }

  std::string Scheme;
  std::string Host;
  std::uint16_t Port;
  std::string Proxy;
  std::string X5tS256;
};

/// Looks keys up without making one: a request that finds its connection allocates nothing here.
struct PoolKeyLess {
  using is_transparent = void;
  static PoolKeyView const& ViewOf(PoolKeyView const& key) noexcept { return key; }
  static PoolKeyView ViewOf(PoolKey const& key) noexcept { return key.View(); }
  template <class Left, class Right>
  bool operator()(Left const& left, Right const& right) const noexcept {
    return IsLess(ViewOf(left), ViewOf(right));
  }
  static bool IsLess(PoolKeyView const& left, PoolKeyView const& right) noexcept;
};

struct PoolPlace;

/// A connection as the pool holds it. It stays in one list node all its life, in the pool or in a slot, so that giving
/// it back cannot fail.
struct PooledConnection {
  std::unique_ptr<Connection> Held;
  PoolPlace* Of;
  /// When it was given back.
  Clock::SteadyTime Since;
};
using PooledConnections = std::list<PooledConnection>;

/// All connections of one key. There as long as one of them is, idle or in use.
struct PoolPlace {
  PoolKey const* Key = nullptr;
  /// Least recently used first; has room for those in use as well.
  std::vector<PooledConnections::iterator> Idle;
  std::size_t InUse = 0;
  /// How often `Drop` let go of those in use: they do not come back.
  std::uint64_t Drops = 0;
};

class ConnectionPool;

/// The right to one connection of a pool, and the connection itself once it is there. Gives both back when it goes: the
/// connection to the pool where `KeepConnection` was called, closed otherwise.
///
/// Thread safety: one thread at a time.
class PoolSlot final {
 public:
  /// @param connection one connection, or none
  PoolSlot(std::shared_ptr<ConnectionPool> pool, PoolPlace& place, PooledConnections connection) noexcept;
  PoolSlot(PoolSlot&&) noexcept = default;
  PoolSlot& operator=(PoolSlot&&) = delete;
  ~PoolSlot();

  /// Whether it was taken in the parent of this process, before a fork: then the connection is the parent's alone.
  bool IsForeign() const noexcept { return epoch_ != ForkEpoch(); }
  bool HasConnection() const noexcept { return !connection_.empty(); }
  Connection& Get() const noexcept { return *connection_.front().Held; }
  void Set(std::unique_ptr<Connection> connection);
  /// The answer was read to its end and the other side keeps the connection open: the pool gets it back now.
  void KeepConnection();

 private:
  std::shared_ptr<ConnectionPool> pool_;
  PoolPlace* place_;
  PooledConnections connection_;
  /// Of the place, as this was taken.
  std::uint64_t drops_;
  std::uint64_t epoch_ = ForkEpoch();
};

/// Thread safety: all members may be called from any thread at any time.
class ConnectionPool final : public std::enable_shared_from_this<ConnectionPool> {
 public:
  ConnectionPool(PoolOptions const& options, gsl::not_null<std::shared_ptr<Clock>> clock);
  ~ConnectionPool();

  /// An idle connection made for `key`, or the right to open one; waits where all that the options allow are in use.
  /// @param fresh leaves idle connections alone
  /// @throw Error `pool_exhausted`, `cancelled`
  PoolSlot Acquire(PoolKeyView const& key, bool fresh, Context const& context);

  /// Closes the idle connections of a binding, and those in use when they are given back. Remembers nothing of it.
  void Drop(std::string_view x5tS256);
  PoolStatistics Statistics() const;

  /// In a forked child: lets go of the parent's connections without a word to the other side.
  void Disown() noexcept;

 private:
  friend class PoolSlot;
  using Graves = std::vector<std::unique_ptr<Connection>>;

  PoolPlace& PlaceFor(PoolKeyView const& key);
  void Return(PoolPlace& place, std::uint64_t drops, PooledConnections& connection, bool keep) noexcept;
  void Opened(Connection& connection);
  PooledConnections TakeIdle(PoolPlace& place) noexcept;
  std::unique_ptr<Connection> Remove(PooledConnections::iterator idle);
  bool Reserve(PoolPlace& place, Graves& graves);
  void Expire(Clock::SteadyTime now, Graves& graves);
  void RemoveIfEmpty(PoolPlace& place) noexcept;
  static void Bury(Graves& graves) noexcept;

  PoolOptions const options_;
  gsl::not_null<std::shared_ptr<Clock>> clock_;
  mutable std::mutex mutex_;
  WaitList waiters_;
  std::map<PoolKey, PoolPlace, PoolKeyLess> places_;
  /// Least recently used first.
  PooledConnections idle_;
  std::size_t inUse_ = 0;
  std::size_t waiting_ = 0;
  std::uint64_t lastId_ = 0;
  mtlspop::PoolStatistics counts_;
};

}  // namespace mtlspop::openssl
