#include "schannel/session_pool.hpp"

#include <algorithm>
#include <exception>
#include <set>
#include <utility>

namespace mtlspop::schannel {

SessionPool::~SessionPool() {
  if (sweep_) TimerService::OfThisProcess().Cancel(*sweep_);
}

std::shared_ptr<Session const> SessionPool::Acquire(
    SessionKey const& key, std::shared_ptr<BindingCertificate const> const& binding) {
  auto const now = time_->SteadyNow();
  // Closed outside the lock: closing a session may call back.
  Entries closing;
  std::lock_guard<std::mutex> const lock{mutex_};
  MoveIdle(now, closing);
  auto& entry = sessions_[key.ToString()];
  if (!entry.Shared) {
    entry.Shared = Make(key, binding);
  }
  entry.LastUse = now;
  if (!sweep_) SweepLater(now);
  return entry.Shared;
}

/// Its last request may be done on any thread, and after the pool has gone.
std::shared_ptr<Session const> SessionPool::Make(
    SessionKey const& key, std::shared_ptr<BindingCertificate const> const& binding) const {
  auto session = std::make_unique<Session const>(functions_, key, binding, pool_);
  auto owner = session->ConnectionOwner();
  return {session.release(), [ledger = ledger_, owner = std::move(owner)](Session const* gone) {
            auto const why = gone->Why();
            delete gone;  // NOLINT(cppcoreguidelines-owning-memory): of the shared_ptr
            ledger->ClosedWith(owner, why);
          }};
}

void SessionPool::Drop(std::string_view x5tS256) noexcept {
  if (x5tS256.empty()) return;
  // Closed outside the lock, as in all places.
  Entries closing;
  std::lock_guard<std::mutex> const lock{mutex_};
  for (auto entry = sessions_.begin(); entry != sessions_.end();) {
    auto const current = entry++;
    bool const isMeant = current->second.Shared && current->second.Shared->Key().X5tS256 == x5tS256;
    if (!isMeant) continue;
    current->second.Shared->CloseFor(CloseReason::BindingDropped);
    closing.insert(sessions_.extract(current));
  }
  droppedSoFar_ += closing.size();
}

std::size_t SessionPool::Bindings() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  std::set<std::string_view> x5tS256;
  for (auto const& [name, entry] : sessions_) {
    if (entry.Shared && !entry.Shared->Key().X5tS256.empty()) {
      x5tS256.insert(entry.Shared->Key().X5tS256);
    }
  }
  return x5tS256.size();
}

std::uint64_t SessionPool::DroppedSoFar() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return droppedSoFar_;
}

/// With the lock held. A session that no request uses (`use_count` 1: only this map) goes after the idle time.
void SessionPool::MoveIdle(Clock::SteadyTime now, Entries& closing) noexcept {
  for (auto entry = sessions_.begin(); entry != sessions_.end();) {
    auto const current = entry++;
    auto& [shared, lastUse] = current->second;
    if (shared && shared.use_count() > 1) {
      // It is idle from now on at the earliest.
      lastUse = now;
    } else if (!shared || now - lastUse >= pool_.IdleTimeout) {
      if (shared) shared->CloseFor(CloseReason::Idle);
      closing.insert(sessions_.extract(current));
    }
  }
}

void SessionPool::Sweep() noexcept {
  auto const now = time_->SteadyNow();
  Entries closing;
  std::lock_guard<std::mutex> const lock{mutex_};
  MoveIdle(now, closing);
  sweep_.reset();
  if (!sessions_.empty()) SweepLater(now);
}

/// With the lock held. Where there is no thread for it, sessions age until the next request comes.
void SessionPool::SweepLater(Clock::SteadyTime now) noexcept {
  // With an idle time of none as well, a request in flight is not looked at without end.
  constexpr Clock::SteadyTime::duration shortest = std::chrono::milliseconds{50};
  auto const oldest = std::min_element(sessions_.begin(), sessions_.end(), [](auto const& left, auto const& right) {
    return left.second.LastUse < right.second.LastUse;
  });
  try {
    auto const wait = std::max(shortest, pool_.IdleTimeout - (now - oldest->second.LastUse));
    sweep_ = TimerService::OfThisProcess().Add(std::chrono::steady_clock::now() + wait, [pool = weak_from_this()] {
      if (auto const self = pool.lock()) self->Sweep();
      return TimerService::TimePoint::max();
    });
  } catch (std::exception const&) {
    sweep_.reset();
  }
}

}  // namespace mtlspop::schannel
