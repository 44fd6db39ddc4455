#include "openssl/connection_pool.hpp"

#include <algorithm>
#include <utility>

#include "wait.hpp"

namespace mtlspop::openssl {
namespace {

/// Key ids remembered as retired. One that is older can at worst have its connections pooled again.
constexpr std::size_t MaximumRetired = 4096;

/// So many idle connections keep their buffers, about 36 KiB each, and can be used again without making new ones. A
/// busy pool has few idle ones; a large idle one must stay small.
constexpr std::size_t IdleWithBuffers = 16;

}  // namespace

PoolKey::PoolKey(Origin const& origin, std::string const& proxy, std::string_view keyId) : KeyIdLength(keyId.size()) {
  Text.reserve(origin.Scheme.size() + origin.Host.size() + proxy.size() + keyId.size() + 16);
  Text.append(origin.Scheme).append("://").append(origin.Host).append(":").append(std::to_string(origin.Port));
  Text.append("|").append(proxy).append("|").append(keyId);
}

PoolSlot::PoolSlot(std::shared_ptr<ConnectionPool> pool, PoolKey key, std::unique_ptr<Connection> connection) noexcept
    : pool_(std::move(pool)), key_(std::move(key)), connection_(std::move(connection)) {}

PoolSlot::~PoolSlot() {
  if (pool_) {
    pool_->Return(key_, std::move(connection_), false);
  }
}

void PoolSlot::Set(std::unique_ptr<Connection> connection) {
  connection_ = std::move(connection);
  pool_->Opened(*connection_);
}

void PoolSlot::KeepConnection() {
  auto const pool = std::move(pool_);
  pool->Return(key_, std::move(connection_), true);
}

ConnectionPool::ConnectionPool(PoolOptions const& options, gsl::not_null<std::shared_ptr<Clock>> clock)
    : options_(options), clock_(std::move(clock)) {}

ConnectionPool::~ConnectionPool() {
  for (auto& idle : idle_) {
    idle.Held->Close();
  }
}

PoolSlot ConnectionPool::Acquire(PoolKey key, bool fresh, Context const& context) {
  Graves graves;
  std::unique_lock<std::mutex> lock{mutex_};
  Expire(graves);
  for (;;) {
    auto& place = places_[key.Text];
    if (!fresh && !place.Idle.empty()) {
      auto connection = TakeIdle(place);
      lock.unlock();
      Bury(graves);
      if (connection->IsUsable()) {
        connection->BeginRequest();
        connection->Info().Reused = true;
        return PoolSlot{shared_from_this(), std::move(key), std::move(connection)};
      }
      Return(key, std::move(connection), false);
      lock.lock();
      ++counts_.FoundDead;
      --counts_.Reused;
      continue;
    }
    if (Reserve(key.Text)) {
      lock.unlock();
      Bury(graves);
      return PoolSlot{shared_from_this(), std::move(key), nullptr};
    }
    ++waiting_;
    bool const ready = WaitUntil(lock, changed_, Context::TimePoint::max(), context, [&] {
      auto const found = places_.find(key.Text);
      auto const inUse = found == places_.end() ? 0 : found->second.InUse;
      return inUse < options_.MaximumPerOrigin && inUse_ < options_.MaximumTotal;
    });
    --waiting_;
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

/// A place for a new connection, at the cost of the least recently used idle one where the pool is full.
bool ConnectionPool::Reserve(std::string const& key) {
  auto& place = places_[key];
  if (place.InUse + place.Idle.size() >= options_.MaximumPerOrigin) {
    if (place.Idle.empty()) {
      return false;
    }
    Remove(place.Idle.front());
    ++counts_.Evicted;
  }
  if (inUse_ + idle_.size() >= options_.MaximumTotal) {
    if (idle_.empty()) {
      return false;
    }
    Remove(idle_.begin());
    ++counts_.Evicted;
  }
  // Removing may have removed an empty place.
  ++places_[key].InUse;
  ++inUse_;
  return true;
}

std::unique_ptr<Connection> ConnectionPool::TakeIdle(Place& place) {
  auto const idle = place.Idle.back();
  auto connection = std::move(idle->Held);
  place.Idle.pop_back();
  idle_.erase(idle);
  ++place.InUse;
  ++inUse_;
  ++counts_.Reused;
  return connection;
}

/// Takes an idle connection out; the caller counts why.
std::unique_ptr<Connection> ConnectionPool::Remove(IdleList::iterator idle) {
  auto connection = std::move(idle->Held);
  auto const found = places_.find(*idle->Key);
  auto& ofPlace = found->second.Idle;
  ofPlace.erase(std::find(ofPlace.begin(), ofPlace.end(), idle));
  idle_.erase(idle);
  if (ofPlace.empty() && found->second.InUse == 0) {
    places_.erase(found);
  }
  return connection;
}

void ConnectionPool::Return(PoolKey const& key, std::unique_ptr<Connection> connection, bool keep) noexcept {
  bool close = false;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    auto const found = places_.find(key.Text);
    auto& place = found->second;
    --place.InUse;
    --inUse_;
    if (connection && keep && !IsRetiredLocked(key.KeyId())) {
      if (idle_.size() >= IdleWithBuffers) {
        connection->FreeBuffers();
      }
      place.Idle.push_back(idle_.insert(idle_.end(), Idle{std::move(connection), &found->first, clock_->SteadyNow()}));
    } else {
      close = keep;
      counts_.Retired += connection && keep ? 1 : 0;
      if (place.Idle.empty() && place.InUse == 0) {
        places_.erase(found);
      }
    }
    if (waiting_ != 0) {
      changed_.notify_all();
    }
  }
  if (connection && close) {
    connection->Close();
  }
}

void ConnectionPool::Opened(Connection& connection) {
  std::lock_guard<std::mutex> const lock{mutex_};
  connection.Info().Id = ++lastId_;
  ++counts_.Opened;
  counts_.Resumed += connection.Info().Resumed ? 1 : 0;
}

void ConnectionPool::Expire(Graves& graves) {
  auto const now = clock_->SteadyNow();
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

void ConnectionPool::Retire(std::string const& keyId) {
  Graves graves;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    if (retired_.insert(keyId).second) {
      retiredOrder_.push_back(keyId);
      if (retiredOrder_.size() > MaximumRetired) {
        retired_.erase(retiredOrder_.front());
        retiredOrder_.pop_front();
      }
    }
    for (auto idle = idle_.begin(); idle != idle_.end();) {
      auto const current = idle++;
      if (current->Held->Info().KeyId == keyId) {
        graves.push_back(Remove(current));
        ++counts_.Retired;
      }
    }
    changed_.notify_all();
  }
  Bury(graves);
}

bool ConnectionPool::IsRetired(std::string_view keyId) const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return IsRetiredLocked(keyId);
}

bool ConnectionPool::IsRetiredLocked(std::string_view keyId) const {
  return !retired_.empty() && retired_.count(std::string{keyId}) != 0;
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
