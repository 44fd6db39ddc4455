#include "openssl/connection_pool.hpp"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include <gsl/util>

#include "openssl/idle_sweep.hpp"

namespace mtlspop::openssl {
namespace {

/// So many idle connections keep their buffers, about 36 KiB each, and can be used again without making new ones, which costs a
/// tenth of a small request. A busy pool has few idle ones; a large idle one must stay small.
constexpr std::size_t IdleWithBuffers = 64;

/// So many connections to one place are opened at a time. Each handshake under way holds three times the memory of a connection
/// that is there, and a server that is given ten thousand at once completes none of them in time.
constexpr std::size_t MaximumOpening = 256;

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

PoolSlot::PoolSlot(
    std::shared_ptr<ConnectionPool> pool, PoolPlace& place, PooledConnections connection, std::uint64_t drops) noexcept
    : pool_(std::move(pool)), place_(&place), connection_(std::move(connection)), drops_(drops) {}

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
  auto const& key = *place_->Key;
  connection_.push_back(
      PooledConnection{std::move(connection), place_, Origin{key.Scheme, key.Host, key.Port}.HostAndPort(), {}});
  connection_.front().Node = connection_.begin();
  pool_->Opened(*place_, Get());
}

void PoolSlot::KeepConnection() {
  Get().Input().ShrinkIfLarge();
  auto const pool = std::move(pool_);
  pool->Return(*place_, drops_, connection_, true);
}

PoolRequest::~PoolRequest() {
  if (hasStoodInLine_ && epoch_ == ForkEpoch()) {
    pool_->Leave(*this);
  }
}

std::optional<PoolSlot> PoolRequest::TryTake() { return pool_->Take(*this); }

ConnectionPool::ConnectionPool(TransportOptions const& options)
    : options_(options.Pool), clock_(options.Time), observer_(options.Observer), callbacks_(options.Callbacks) {}

ConnectionPool::~ConnectionPool() {
  if (sweep_) {
    sweep_->End();
  }
  for (auto& idle : idle_) {
    idle.Why = CloseReason::TransportGone;
  }
  Bury(idle_);
}

std::optional<PoolSlot> ConnectionPool::Take(PoolRequest& request) {
  using State = PoolRequest::State;
  PooledConnections graves;
  PooledConnections connection;
  auto const now = clock_->SteadyNow();
  {
    auto const lock = LockSoon(mutex_);
    if (request.state_ == State::InLine) {
      return std::nullopt;
    }
    if (request.state_ == State::New) {
      Expire(now, graves);
      auto& place = PlaceFor(request.key_);
      if (!IsNobodyBefore(place, request.fresh_) || !HasRoom(place, request.fresh_)) {
        auto const notEmpty = gsl::finally([&] { RemoveIfEmpty(place); });
        StandInLine(place, request);
        request.hasStoodInLine_ = true;
      } else {
        request.place_ = &place;
        request.connection_ = Grant(place, request.fresh_, graves);
        request.drops_ = place.Drops;
        request.state_ = State::Granted;
      }
    }
    if (request.state_ == State::Granted) {
      request.state_ = State::Taken;
      request.hasStoodInLine_ = false;
      connection.swap(request.connection_);
    }
  }
  Bury(graves);
  if (request.hasStoodInLine_) {
    return std::nullopt;
  }
  std::optional<PoolSlot> slot{
      std::in_place, shared_from_this(), *request.place_, std::move(connection), request.drops_};
  Look(*slot, request.fresh_);
  return slot;
}

/// Sees that a connection is alive, or takes the next one, or none: then the slot is the right to open one.
void ConnectionPool::Look(PoolSlot& slot, bool fresh) {
  while (slot.HasConnection()) {
    auto& connection = slot.Get();
    if (connection.IsUsable()) {
      connection.BeginRequest();
      connection.Info().Reused = true;
      break;
    }
    slot.CloseFor(CloseReason::Server);
    SayClosed(slot.connection_.front());
    PooledConnections dead;
    dead.swap(slot.connection_);
    auto const lock = LockSoon(mutex_);
    ++counts_.FoundDead;
    --counts_.Reused;
    auto& place = *slot.place_;
    if (!fresh && place.Newest != nullptr) {
      slot.connection_ = RemoveIdle(*place.Newest);
      ++counts_.Reused;
    } else {
      ++place.Opening;
    }
  }
}

/// Gives up its place in the line, or what it was granted there.
void ConnectionPool::Leave(PoolRequest& request) noexcept {
  {
    auto const lock = LockSoon(mutex_);
    if (request.state_ == PoolRequest::State::InLine) {
      auto& place = *request.place_;
      RemoveFromLine(request);
      RemoveIfEmpty(place);
      return;
    }
    counts_.Reused -= request.connection_.empty() ? 0 : 1;
  }
  bool const wasIdle = !request.connection_.empty();
  Return(*request.place_, request.drops_, request.connection_, wasIdle);
}

PoolPlace& ConnectionPool::PlaceFor(PoolKeyView const& key) {
  auto found = places_.find(key);
  if (found == places_.end()) {
    found = places_.emplace(PoolKey{key}, PoolPlace{}).first;
    found->second.Key = &found->first;
  }
  return found->second;
}

/// Whether one more can be in use. Idle ones are no hindrance: they are used, or make room.
bool ConnectionPool::HasRoom(PoolPlace const& place, bool fresh) const noexcept {
  bool const isThere = !fresh && place.Newest != nullptr;
  return place.InUse < options_.MaximumPerOrigin && inUse_ < options_.MaximumTotal &&
         (isThere || place.Opening < MaximumOpening);
}

/// Where there is room: the idle connection that was used last, or none, for the right to open one. That may cost the one
/// that was least recently used.
PooledConnections ConnectionPool::Grant(PoolPlace& place, bool fresh, PooledConnections& graves) noexcept {
  // In use first, so that an eviction does not remove the place.
  ++place.InUse;
  ++inUse_;
  if (!fresh && place.Newest != nullptr) {
    ++counts_.Reused;
    return RemoveIdle(*place.Newest);
  }
  bool const placeFull = place.InUse + place.Idle > options_.MaximumPerOrigin;
  bool const poolFull = inUse_ + idle_.size() > options_.MaximumTotal;
  if (placeFull || poolFull) {
    CloseIdle(placeFull ? *place.Oldest : idle_.front(), CloseReason::Limit, graves);
    ++counts_.Evicted;
  }
  ++place.Opening;
  return {};
}

void ConnectionPool::StandInLine(PoolPlace& place, PoolRequest& request) {
  if (place.Waiting >= options_.MaximumWaitingPerOrigin) {
    ErrorDetails details{
        errors::PoolQueueFull,
        "As many requests as the pool allows wait for a connection to " + place.Key->Host +
            " already: " + std::to_string(place.Waiting),
        "Send fewer at a time, or raise PoolOptions::MaximumWaitingPerOrigin, or MaximumPerOrigin so that fewer wait"};
    details.NothingSent = true;
    details.Transient = true;
    throw Error{std::move(details)};
  }
  if (!request.waker_) {
    request.waker_ = request.driver_.WakeHandle();
  }
  request.place_ = &place;
  request.number_ = ++lastNumber_;
  request.previous_ = place.Last;
  (place.Last == nullptr ? place.First : place.Last->next_) = &request;
  place.Last = &request;
  request.state_ = PoolRequest::State::InLine;
  ++place.Waiting;
  place.WaitingForFresh += request.fresh_ ? 1 : 0;
  ++waiting_;
}

void ConnectionPool::RemoveFromLine(PoolRequest& request) noexcept {
  auto& place = *request.place_;
  (request.previous_ == nullptr ? place.First : request.previous_->next_) = request.next_;
  (request.next_ == nullptr ? place.Last : request.next_->previous_) = request.previous_;
  --place.Waiting;
  place.WaitingForFresh -= request.fresh_ ? 1 : 0;
  --waiting_;
}

/// Whether nobody in the line could have what a new request can have: where as many are being opened as may be, an idle
/// connection is of no use to those who want a fresh one.
bool ConnectionPool::IsNobodyBefore(PoolPlace const& place, bool fresh) const noexcept {
  return place.First == nullptr || (!fresh && place.Newest != nullptr && place.WaitingForFresh == place.Waiting);
}

/// The first in the line of `place` for whom there is room. Those who want a fresh connection do not keep back those who can
/// have an idle one.
PoolRequest* ConnectionPool::FirstServable(PoolPlace const& place) const noexcept {
  auto* request = place.First;
  if (request == nullptr || HasRoom(place, request->fresh_)) {
    return request;
  }
  // Who takes an idle one has room wherever anybody has.
  if (!HasRoom(place, false) || place.WaitingForFresh == place.Waiting) {
    return nullptr;
  }
  while (request->fresh_) {
    request = request->next_;
  }
  return request;
}

/// Who has what became free at `place`: the first in its line who can have it. Where the pool as a whole was full, the one that has waited
/// longest, wherever it stands, or a busy origin would leave nothing to the others.
PoolRequest* ConnectionPool::NextInLine(PoolPlace& place, bool wasFull) noexcept {
  if (waiting_ == 0) {
    return nullptr;
  }
  if (!wasFull) {
    return FirstServable(place);
  }
  PoolRequest* next = nullptr;
  for (auto& [key, other] : places_) {
    auto* const first = FirstServable(other);
    next = first != nullptr && (next == nullptr || first->number_ < next->number_) ? first : next;
  }
  return next;
}

/// Hands what became free to exactly one of those who wait, who is to be woken.
std::shared_ptr<Wakeable> ConnectionPool::ServeLine(
    PoolPlace& place, bool wasFull, PooledConnections& graves) noexcept {
  auto* const request = NextInLine(place, wasFull);
  if (request == nullptr) {
    return nullptr;
  }
  RemoveFromLine(*request);
  auto& granted = *request->place_;
  request->connection_ = Grant(granted, request->fresh_, graves);
  request->drops_ = granted.Drops;
  request->state_ = PoolRequest::State::Granted;
  return request->waker_;
}

/// Puts a connection that was given back among the idle ones.
void ConnectionPool::AddIdle(PoolPlace& place, PooledConnections& connection, Clock::SteadyTime now) noexcept {
  auto& added = connection.front();
  added.Since = now;
  added.Why = CloseReason::Error;
  added.Earlier = place.Newest;
  added.Later = nullptr;
  (place.Newest == nullptr ? place.Oldest : place.Newest->Later) = &added;
  place.Newest = &added;
  ++place.Idle;
  idle_.splice(idle_.end(), connection);
}

/// Takes an idle connection out; the caller counts why, and removes the place where it is empty.
PooledConnections ConnectionPool::RemoveIdle(PooledConnection& idle) noexcept {
  auto& place = *idle.Of;
  (idle.Earlier == nullptr ? place.Oldest : idle.Earlier->Later) = idle.Later;
  (idle.Later == nullptr ? place.Newest : idle.Later->Earlier) = idle.Earlier;
  --place.Idle;
  PooledConnections removed;
  removed.splice(removed.begin(), idle_, idle.Node);
  RemoveIfEmpty(place);
  return removed;
}

/// Puts an idle connection among those that are closed once the lock is released.
void ConnectionPool::CloseIdle(PooledConnection& idle, CloseReason why, PooledConnections& graves) noexcept {
  idle.Why = why;
  graves.splice(graves.end(), RemoveIdle(idle));
}

void ConnectionPool::RemoveIfEmpty(PoolPlace& place) noexcept {
  if (place.Idle == 0 && place.InUse == 0 && place.First == nullptr && !place.IsPinned) {
    places_.erase(places_.find(*place.Key));
  }
}

/// Takes back what a slot or a request had. Cannot fail: the node and the room for it are there already.
void ConnectionPool::Return(PoolPlace& place, std::uint64_t drops, PooledConnections& connection, bool keep) noexcept {
  bool const there = !connection.empty();
  auto const now = clock_->SteadyNow();
  PooledConnections graves;
  std::shared_ptr<Wakeable> woken;
  bool beginsSweep = false;
  {
    auto const lock = LockSoon(mutex_);
    bool const wasFull = inUse_ >= options_.MaximumTotal;
    --place.InUse;
    --inUse_;
    place.Opening -= there ? 0 : 1;
    if (there && keep && drops == place.Drops) {
      if (idle_.size() >= IdleWithBuffers && place.First == nullptr) {
        connection.front().Held->FreeBuffers();
      }
      AddIdle(place, connection, now);
    } else if (there && keep) {
      connection.front().Why = CloseReason::BindingDropped;
      ++counts_.Dropped;
    }
    place.IsPinned = true;
    woken = ServeLine(place, wasFull, graves);
    place.IsPinned = false;
    RemoveIfEmpty(place);
    beginsSweep = !isSwept_ && !idle_.empty();
    isSwept_ = isSwept_ || beginsSweep;
  }
  if (beginsSweep) {
    BeginSweep();
  }
  if (woken) {
    woken->Wake();
  }
  Bury(graves);
  if (keep) {
    Bury(connection);
  } else if (there) {
    SayClosed(connection.front());
  }
}

/// Lets the next one of those begin who wait to open one.
void ConnectionPool::Opened(PoolPlace& place, Connection& connection) noexcept {
  PooledConnections graves;
  std::shared_ptr<Wakeable> woken;
  {
    auto const lock = LockSoon(mutex_);
    connection.Info().Id = ++lastId_;
    ++counts_.Opened;
    counts_.Resumed += connection.Info().Resumed ? 1 : 0;
    --place.Opening;
    woken = ServeLine(place, false, graves);
  }
  if (woken) {
    woken->Wake();
  }
  Bury(graves);
}

void ConnectionPool::Expire(Clock::SteadyTime now, PooledConnections& graves) noexcept {
  while (!idle_.empty() && now - idle_.front().Since >= options_.IdleTimeout) {
    CloseIdle(idle_.front(), CloseReason::Idle, graves);
    ++counts_.Expired;
  }
}

/// Where there is no thread for it, connections age until the next request comes.
void ConnectionPool::BeginSweep() noexcept {
  std::shared_ptr<IdleSweep> begun;
  try {
    begun = std::make_shared<IdleSweep>(weak_from_this(), options_.IdleTimeout);
  } catch (std::exception const&) {
    // Looked at again when the next connection is given back.
  }
  {
    auto const lock = LockSoon(mutex_);
    isSwept_ = begun != nullptr;
    sweep_ = begun;
  }
  if (begun) {
    begun->Begin();
  }
}

void ConnectionPool::GiveUpSweep() noexcept {
  std::shared_ptr<IdleSweep> ended;
  auto const lock = LockSoon(mutex_);
  isSwept_ = false;
  ended.swap(sweep_);
}

std::optional<Clock::SteadyTime::duration> ConnectionPool::SweepIdle() noexcept {
  constexpr Clock::SteadyTime::duration shortest = std::chrono::milliseconds{1};
  auto const now = clock_->SteadyNow();
  PooledConnections graves;
  std::shared_ptr<IdleSweep> ended;
  std::optional<Clock::SteadyTime::duration> next;
  {
    auto const lock = LockSoon(mutex_);
    Expire(now, graves);
    if (idle_.empty()) {
      isSwept_ = false;
      ended.swap(sweep_);
    } else {
      next = std::max(shortest, idle_.front().Since + options_.IdleTimeout - now);
    }
  }
  Bury(graves);
  return next;
}

/// Closing says goodbye to the other side: not under the lock.
void ConnectionPool::Bury(PooledConnections& graves) const noexcept {
  for (auto& connection : graves) {
    connection.Held->Close();
    SayClosed(connection);
  }
  graves.clear();
}

void ConnectionPool::SayClosed(PooledConnection const& connection) const noexcept {
  if (!observer_.IsEnabled(Severity::Debug) || connection.Held->IsDisowned()) {
    return;
  }
  try {
    auto const& info = connection.Held->Info();
    TellClosed(observer_, callbacks_, {connection.Origin, info.Id, info.X5tS256, connection.Why});
  } catch (std::bad_alloc const&) {  // NOLINT(bugprone-empty-catch): nobody is told where there is no memory for it
  }
}

void ConnectionPool::Drop(std::string_view x5tS256) {
  PooledConnections graves;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    for (auto& [key, place] : places_) {
      place.Drops += key.X5tS256 == x5tS256 ? 1 : 0;
    }
    for (auto idle = idle_.begin(); idle != idle_.end();) {
      auto const current = idle++;
      if (current->Of->Key->X5tS256 == x5tS256) {
        CloseIdle(*current, CloseReason::BindingDropped, graves);
        ++counts_.Dropped;
      }
    }
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
