#include "openssl/connection_pool.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include <gsl/util>

namespace mtlspop::openssl {
namespace {

/// So many idle connections keep their buffers, about 36 KiB each, and can be used again without making new ones. A
/// busy pool has few idle ones; a large idle one must stay small.
constexpr std::size_t IdleWithBuffers = 16;

/// Locks, trying a while first: the pool's lock is held for a tenth of a microsecond, and to sleep and be woken takes
/// a hundred times as long.
std::unique_lock<std::mutex> LockSoon(std::mutex& mutex) {
  constexpr int tries = 64;
  std::unique_lock<std::mutex> lock{mutex, std::try_to_lock};
  for (int attempt = 0; attempt < tries && !lock.owns_lock(); ++attempt) {
    static_cast<void>(lock.try_lock());
  }
  if (!lock.owns_lock()) {
    lock.lock();
  }
  return lock;
}

}  // namespace

PoolKey::PoolKey(PoolKeyView const& key)
    : Scheme(key.Scheme), Host(key.Host), Port(key.Port), Proxy(key.Proxy), X5tS256(key.X5tS256) {}

bool PoolKeyLess::IsLess(PoolKeyView const& left, PoolKeyView const& right) noexcept {
  if (left.Port != right.Port) {
    return left.Port < right.Port;
  }
  for (auto const& [one, other] :
       {std::pair{left.Host, right.Host}, {left.X5tS256, right.X5tS256}, {left.Proxy, right.Proxy}}) {
    if (int const order = one.compare(other)) {
      return order < 0;
    }
  }
  return left.Scheme < right.Scheme;
}

PoolSlot::PoolSlot(std::shared_ptr<ConnectionPool> pool, PoolPlace& place, PooledConnections connection) noexcept
    : pool_(std::move(pool)), place_(&place), connection_(std::move(connection)), drops_(place.Drops) {}

PoolSlot::~PoolSlot() {
  if (!pool_) {
    return;
  }
  if (IsForeign()) {
    // Another thread may have held the parent's pool as the process forked: it is neither locked nor destroyed here.
    if (HasConnection()) {
      Get().Disown();
    }
    static_cast<void>(new (std::nothrow) std::shared_ptr<ConnectionPool>{std::move(pool_)});
    return;
  }
  pool_->Return(*place_, drops_, connection_, false);
}

void PoolSlot::Set(std::unique_ptr<Connection> connection) {
  connection_.push_back(PooledConnection{std::move(connection), place_, {}});
  pool_->Opened(Get());
}

void PoolSlot::KeepConnection() {
  auto const pool = std::move(pool_);
  pool->Return(*place_, drops_, connection_, true);
}

ConnectionPool::ConnectionPool(PoolOptions const& options, gsl::not_null<std::shared_ptr<Clock>> clock)
    : options_(options), clock_(std::move(clock)) {}

ConnectionPool::~ConnectionPool() {
  for (auto& idle : idle_) {
    idle.Held->Close();
  }
}

PoolSlot ConnectionPool::Acquire(PoolKeyView const& key, bool fresh, Context const& context) {
  Graves graves;
  auto const now = clock_->SteadyNow();
  auto lock = LockSoon(mutex_);
  // Whoever was woken and goes without a connection, for want of memory as well, leaves it to the next one.
  bool hasTaken = false;
  auto const passedOn = gsl::finally([&] {
    if (hasTaken) return;
    if (!lock.owns_lock()) lock.lock();
    waiters_.WakeFirstReady();
  });
  Expire(now, graves);
  for (;;) {
    auto& place = PlaceFor(key);
    if (!fresh && !place.Idle.empty()) {
      {
        PoolSlot slot{shared_from_this(), place, TakeIdle(place)};
        lock.unlock();
        Bury(graves);
        auto& connection = slot.Get();
        if (connection.IsUsable()) {
          hasTaken = true;
          connection.BeginRequest();
          connection.Info().Reused = true;
          return slot;
        }
      }
      lock.lock();
      ++counts_.FoundDead;
      --counts_.Reused;
      continue;
    }
    if (Reserve(place, graves)) {
      hasTaken = true;
      PoolSlot slot{shared_from_this(), place, {}};
      lock.unlock();
      Bury(graves);
      return slot;
    }
    RemoveIfEmpty(place);
    bool ready = false;
    {
      ++waiting_;
      auto const waited = gsl::finally([&] {
        if (!lock.owns_lock()) {
          lock.lock();
        }
        --waiting_;
      });
      ready = waiters_.WaitUntil(lock, Context::TimePoint::max(), context, [&] {
        auto const found = places_.find(key);
        auto const inUse = found == places_.end() ? 0 : found->second.InUse;
        return inUse < options_.MaximumPerOrigin && inUse_ < options_.MaximumTotal;
      });
    }
    if (!ready) {
      lock.unlock();
      Bury(graves);
      if (context.IsCancelled()) {
        context.ThrowIfEnded("Waiting for a connection");
      }
      ErrorDetails details{
          errors::PoolExhausted,
          "All connections that the pool allows to this origin are in use and none became free in time",
          "Raise PoolOptions::MaximumPerOrigin or MaximumTotal, or read answers to their end sooner"};
      details.NothingSent = true;
      details.Transient = true;
      throw Error{std::move(details)};
    }
  }
}

PoolPlace& ConnectionPool::PlaceFor(PoolKeyView const& key) {
  auto found = places_.find(key);
  if (found == places_.end()) {
    found = places_.emplace(PoolKey{key}, PoolPlace{}).first;
    found->second.Key = &found->first;
  }
  return found->second;
}

/// The right to a new connection, at the cost of the least recently used idle one where the pool is full.
bool ConnectionPool::Reserve(PoolPlace& place, Graves& graves) {
  auto const ofPlace = place.InUse + place.Idle.size();
  bool const placeFull = ofPlace >= options_.MaximumPerOrigin;
  bool const poolFull = inUse_ + idle_.size() >= options_.MaximumTotal;
  if ((placeFull && place.Idle.empty()) || (poolFull && idle_.empty())) {
    return false;
  }
  if (place.Idle.capacity() <= ofPlace) {
    place.Idle.reserve(2 * ofPlace + 1);
  }
  graves.reserve(graves.size() + 1);
  // From here on nothing can fail. In use first, so that an eviction does not remove the place.
  ++place.InUse;
  ++inUse_;
  if (placeFull || poolFull) {
    graves.push_back(Remove(placeFull ? place.Idle.front() : idle_.begin()));
    ++counts_.Evicted;
  }
  return true;
}

PooledConnections ConnectionPool::TakeIdle(PoolPlace& place) noexcept {
  PooledConnections taken;
  taken.splice(taken.begin(), idle_, place.Idle.back());
  place.Idle.pop_back();
  ++place.InUse;
  ++inUse_;
  ++counts_.Reused;
  return taken;
}

/// Takes an idle connection out; the caller counts why.
std::unique_ptr<Connection> ConnectionPool::Remove(PooledConnections::iterator idle) {
  auto connection = std::move(idle->Held);
  auto& place = *idle->Of;
  place.Idle.erase(std::find(place.Idle.begin(), place.Idle.end(), idle));
  idle_.erase(idle);
  RemoveIfEmpty(place);
  return connection;
}

void ConnectionPool::RemoveIfEmpty(PoolPlace& place) noexcept {
  if (place.Idle.empty() && place.InUse == 0) {
    places_.erase(places_.find(*place.Key));
  }
}

/// Takes back what `Acquire` gave. Cannot fail: the node and the room for it are there already.
void ConnectionPool::Return(PoolPlace& place, std::uint64_t drops, PooledConnections& connection, bool keep) noexcept {
  bool const there = !connection.empty();
  auto const now = clock_->SteadyNow();
  {
    auto const lock = LockSoon(mutex_);
    --place.InUse;
    --inUse_;
    if (there && keep && drops == place.Drops) {
      auto& node = connection.front();
      if (idle_.size() >= IdleWithBuffers) {
        node.Held->FreeBuffers();
      }
      node.Since = now;
      place.Idle.push_back(connection.begin());
      idle_.splice(idle_.end(), connection);
    } else {
      counts_.Dropped += there && keep ? 1 : 0;
      RemoveIfEmpty(place);
    }
    waiters_.WakeFirstReady();
  }
  if (!connection.empty() && keep) {
    connection.front().Held->Close();
  }
}

void ConnectionPool::Opened(Connection& connection) {
  std::lock_guard<std::mutex> const lock{mutex_};
  connection.Info().Id = ++lastId_;
  ++counts_.Opened;
  counts_.Resumed += connection.Info().Resumed ? 1 : 0;
}

void ConnectionPool::Expire(Clock::SteadyTime now, Graves& graves) {
  while (!idle_.empty() && now - idle_.front().Since >= options_.IdleTimeout) {
    graves.push_back(Remove(idle_.begin()));
    ++counts_.Expired;
  }
}

/// Closing says goodbye to the other side: not under the lock.
void ConnectionPool::Bury(Graves& graves) noexcept {
  for (auto& connection : graves) {
    connection->Close();
  }
  graves.clear();
}

void ConnectionPool::Drop(std::string_view x5tS256) {
  Graves graves;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    graves.reserve(idle_.size());
    for (auto& [key, place] : places_) {
      place.Drops += key.X5tS256 == x5tS256 ? 1 : 0;
    }
    for (auto idle = idle_.begin(); idle != idle_.end();) {
      auto const current = idle++;
      if (current->Of->Key->X5tS256 == x5tS256) {
        graves.push_back(Remove(current));
        ++counts_.Dropped;
      }
    }
    waiters_.WakeAll();
  }
  Bury(graves);
}

PoolStatistics ConnectionPool::Statistics() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  auto statistics = counts_;
  statistics.Idle = idle_.size();
  statistics.InUse = inUse_;
  statistics.Waiting = waiting_;
  return statistics;
}

void ConnectionPool::Disown() noexcept {
  // Another thread may have held the lock while the process forked: then the connections stay open until the child
  // ends.
  std::unique_lock<std::mutex> const lock{mutex_, std::try_to_lock};
  if (lock.owns_lock()) {
    for (auto& idle : idle_) {
      idle.Held->Disown();
    }
  }
}

}  // namespace mtlspop::openssl
