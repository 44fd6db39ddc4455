#pragma once

/// @file
/// Connections that wait for their next request, each under the (origin, proxy, key id) it was made for.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "mtlspop/transport/http_transport.hpp"
#include "openssl/connection.hpp"

namespace mtlspop::openssl {

/// What a connection is made for, and nothing else ever uses it for.
struct PoolKey {
  PoolKey(Origin const& origin, std::string const& proxy, std::string_view keyId);

  std::string_view KeyId() const noexcept { return std::string_view{Text}.substr(Text.size() - KeyIdLength); }

  /// Ends with the key id.
  std::string Text;
  std::size_t KeyIdLength;
};

class ConnectionPool;

/// The right to one connection of a pool, and the connection itself once it is there. Gives both back when it goes: the
/// connection to the pool where `KeepConnection` was called, closed otherwise.
///
/// Thread safety: one thread at a time.
class PoolSlot final {
 public:
  PoolSlot(std::shared_ptr<ConnectionPool> pool, PoolKey key, std::unique_ptr<Connection> connection) noexcept;
  PoolSlot(PoolSlot&&) noexcept = default;
  PoolSlot& operator=(PoolSlot&&) = delete;
  ~PoolSlot();

  bool HasConnection() const noexcept { return connection_ != nullptr; }
  Connection& Get() const noexcept { return *connection_; }
  void Set(std::unique_ptr<Connection> connection);
  /// The answer was read to its end and the other side keeps the connection open: the pool gets it back now.
  void KeepConnection();

 private:
  std::shared_ptr<ConnectionPool> pool_;
  PoolKey key_;
  std::unique_ptr<Connection> connection_;
};

/// Thread safety: all members may be called from any thread at any time.
class ConnectionPool final : public std::enable_shared_from_this<ConnectionPool> {
 public:
  ConnectionPool(PoolOptions const& options, gsl::not_null<std::shared_ptr<Clock>> clock);
  ~ConnectionPool();

  /// An idle connection made for `key`, or the right to open one; waits where all that the options allow are in use.
  /// @param fresh leaves idle connections alone
  /// @throw Error `pool_exhausted`, `cancelled`
  PoolSlot Acquire(PoolKey key, bool fresh, Context const& context);

  void Retire(std::string const& keyId);
  bool IsRetired(std::string_view keyId) const;
  PoolStatistics Statistics() const;

  /// In a forked child: lets go of the parent's connections without a word to the other side.
  void Disown() noexcept;

 private:
  friend class PoolSlot;
  struct Idle {
    std::unique_ptr<Connection> Held;
    std::string const* Key;
    Clock::SteadyTime Since;
  };
  using IdleList = std::list<Idle>;
  struct Place {
    /// Least recently used first.
    std::vector<IdleList::iterator> Idle;
    std::size_t InUse = 0;
  };
  using Graves = std::vector<std::unique_ptr<Connection>>;

  void Return(PoolKey const& key, std::unique_ptr<Connection> connection, bool keep) noexcept;
  void Opened(Connection& connection);
  std::unique_ptr<Connection> TakeIdle(Place& place);
  std::unique_ptr<Connection> Remove(IdleList::iterator idle);
  bool Reserve(std::string const& key);
  void Expire(Graves& graves);
  bool IsRetiredLocked(std::string_view keyId) const;
  static void Bury(Graves& graves) noexcept;

  PoolOptions const options_;
  gsl::not_null<std::shared_ptr<Clock>> clock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<std::string, Place> places_;
  /// Least recently used first.
  IdleList idle_;
  std::size_t inUse_ = 0;
  std::size_t waiting_ = 0;
  std::uint64_t lastId_ = 0;
  std::unordered_set<std::string> retired_;
  std::deque<std::string> retiredOrder_;
  mtlspop::PoolStatistics counts_;
};

}  // namespace mtlspop::openssl
