#pragma once

/// @file
/// Connections that wait for their next request, each under the (origin, proxy, `x5t#S256`) it was made for.

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "closed_connection.hpp"
#include "mtlspop/base/fork_epoch.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "openssl/connection.hpp"
#include "openssl/step.hpp"

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
  template <class Left, class Right>
  bool operator()(Left const& left, Right const& right) const noexcept {
    if (left.Port != right.Port) {
      return left.Port < right.Port;
    }
    if (int const order = std::string_view{left.Host}.compare(right.Host)) {
      return order < 0;
    }
    if (int const order = std::string_view{left.X5tS256}.compare(right.X5tS256)) {
      return order < 0;
    }
    if (int const order = std::string_view{left.Proxy}.compare(right.Proxy)) {
      return order < 0;
    }
    return std::string_view{left.Scheme} < right.Scheme;
  }
};

struct PoolPlace;

/// A connection as the pool holds it. It stays in one list node all its life, in the pool or in a slot, so that giving
/// it back cannot fail.
struct PooledConnection {
  std::unique_ptr<Connection> Held;
  PoolPlace* Of;
  /// The origin's host and port, for whoever is told that it is closed.
  std::string Origin;
  /// When it was given back.
  Clock::SteadyTime Since;
  /// The idle ones of its place.
  PooledConnection* Earlier = nullptr;
  PooledConnection* Later = nullptr;
  /// Where it is itself.
  std::list<PooledConnection>::iterator Node{};
  /// Why it is closed when it is.
  CloseReason Why = CloseReason::Error;
};
using PooledConnections = std::list<PooledConnection>;

class IdleSweep;
class PoolRequest;

/// All connections of one key. There as long as one of them is, idle or in use, or somebody waits for one.
struct PoolPlace {
  PoolKey const* Key = nullptr;
  /// Idle ones, by when they were last used.
  PooledConnection* Oldest = nullptr;
  PooledConnection* Newest = nullptr;
  std::size_t Idle = 0;
  std::size_t InUse = 0;
  /// Of those in use: rights to a connection that is not there yet.
  std::size_t Opening = 0;
  /// How often `Drop` let go of those in use: they do not come back.
  std::uint64_t Drops = 0;
  /// Who waits for a connection, first come first served.
  PoolRequest* First = nullptr;
  PoolRequest* Last = nullptr;
  std::size_t Waiting = 0;
  /// Of these, those that take no idle connection.
  std::size_t WaitingForFresh = 0;
  /// Kept while somebody looks at it, though it be empty.
  bool IsPinned = false;
};

class ConnectionPool;

/// The right to one connection of a pool, and the connection itself once it is there. Gives both back when it goes: the
/// connection to the pool where `KeepConnection` was called, closed otherwise.
///
/// Thread safety: one thread at a time.
class PoolSlot final {
 public:
  /// @param connection one connection, or none
  /// @param drops of the place, as this was taken
  PoolSlot(
      std::shared_ptr<ConnectionPool> pool,
      PoolPlace& place,
      PooledConnections connection,
      std::uint64_t drops) noexcept;
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
  /// Why the connection, where there is one, is closed with this. Until this is called, because of an error.
  void CloseFor(CloseReason why) noexcept {
    if (HasConnection()) connection_.front().Why = why;
  }

 private:
  friend class ConnectionPool;

  std::shared_ptr<ConnectionPool> pool_;
  PoolPlace* place_;
  PooledConnections connection_;
  std::uint64_t drops_;
  std::uint64_t epoch_ = ForkEpoch();
};

/// Asks for a connection, and stands in the line of its place where all that the options allow are in use. Leaves the
/// line when it goes.
///
/// Thread safety: one thread at a time.
class PoolRequest final {
 public:
  /// Borrows the texts of `key`, and `driver`.
  /// @param fresh leaves idle connections alone
  PoolRequest(std::shared_ptr<ConnectionPool> pool, PoolKeyView const& key, bool fresh, Driver& driver) noexcept
      : pool_(std::move(pool)), key_(key), fresh_(fresh), driver_(driver) {}
  ~PoolRequest();
  PoolRequest(PoolRequest const&) = delete;
  PoolRequest& operator=(PoolRequest const&) = delete;

  /// An idle connection made for the key, or the right to open one; none while it stands in the line. The driver is woken
  /// when it has one.
  /// @throw Error `pool_queue_full`
  std::optional<PoolSlot> TryTake();

  /// For a step that waits for it.
  static constexpr char const* What = "Waiting for a connection";

 private:
  friend class ConnectionPool;
  enum class State { New, InLine, Granted, Taken };

  std::shared_ptr<ConnectionPool> pool_;
  PoolKeyView key_;
  bool fresh_;
  Driver& driver_;
  /// And has taken nothing yet.
  bool hasStoodInLine_ = false;
  /// From here on guarded by the pool's lock while it is in the line.
  State state_ = State::New;
  std::shared_ptr<Wakeable> waker_;
  PoolPlace* place_ = nullptr;
  PooledConnections connection_;
  std::uint64_t drops_ = 0;
  std::uint64_t number_ = 0;
  PoolRequest* previous_ = nullptr;
  PoolRequest* next_ = nullptr;
  std::uint64_t epoch_ = ForkEpoch();
};

/// Thread safety: all members may be called from any thread at any time.
class ConnectionPool final : public std::enable_shared_from_this<ConnectionPool> {
 public:
  explicit ConnectionPool(TransportOptions const& options);
  ~ConnectionPool();

  /// Closes the idle connections of a binding, and those in use when they are given back. Remembers nothing of it.
  void Drop(std::string_view x5tS256);
  PoolStatistics Statistics() const;

  /// Closes the idle connections whose time has come. Returns when the next one's will have; none where there is none, and
  /// nothing to look at before the next connection is given back.
  std::optional<Clock::SteadyTime::duration> SweepIdle() noexcept;
  /// There is no memory to wait with: the next connection that is given back begins another sweep.
  void GiveUpSweep() noexcept;

  /// In a forked child: lets go of the parent's connections without a word to the other side.
  void Disown() noexcept;

 private:
  friend class PoolSlot;
  friend class PoolRequest;

  std::optional<PoolSlot> Take(PoolRequest& request);
  void Look(PoolSlot& slot, bool fresh);
  void Leave(PoolRequest& request) noexcept;
  PoolPlace& PlaceFor(PoolKeyView const& key);
  void Return(PoolPlace& place, std::uint64_t drops, PooledConnections& connection, bool keep) noexcept;
  void Opened(PoolPlace& place, Connection& connection) noexcept;
  bool HasRoom(PoolPlace const& place, bool fresh) const noexcept;
  PooledConnections Grant(PoolPlace& place, bool fresh, PooledConnections& graves) noexcept;
  void StandInLine(PoolPlace& place, PoolRequest& request);
  void RemoveFromLine(PoolRequest& request) noexcept;
  bool IsNobodyBefore(PoolPlace const& place, bool fresh) const noexcept;
  PoolRequest* FirstServable(PoolPlace const& place) const noexcept;
  PoolRequest* NextInLine(PoolPlace& place, bool wasFull) noexcept;
  std::shared_ptr<Wakeable> ServeLine(PoolPlace& place, bool wasFull, PooledConnections& graves) noexcept;
  void AddIdle(PoolPlace& place, PooledConnections& connection, Clock::SteadyTime now) noexcept;
  PooledConnections RemoveIdle(PooledConnection& idle) noexcept;
  void Expire(Clock::SteadyTime now, PooledConnections& graves) noexcept;
  void RemoveIfEmpty(PoolPlace& place) noexcept;
  void CloseIdle(PooledConnection& idle, CloseReason why, PooledConnections& graves) noexcept;
  void Bury(PooledConnections& graves) const noexcept;
  void SayClosed(PooledConnection const& connection) const noexcept;
  void BeginSweep() noexcept;

  PoolOptions const options_;
  gsl::not_null<std::shared_ptr<Clock>> clock_;
  EventSink const observer_;
  Executor const callbacks_;
  mutable std::mutex mutex_;
  std::map<PoolKey, PoolPlace, PoolKeyLess> places_;
  /// Least recently used first.
  PooledConnections idle_;
  std::size_t inUse_ = 0;
  std::size_t waiting_ = 0;
  bool isSwept_ = false;
  std::shared_ptr<IdleSweep> sweep_;
  std::uint64_t lastNumber_ = 0;
  std::uint64_t lastId_ = 0;
  mtlspop::PoolStatistics counts_;
};

}  // namespace mtlspop::openssl
