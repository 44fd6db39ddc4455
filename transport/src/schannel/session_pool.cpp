#include "schannel/session_pool.hpp"

#include <set>
#include <utility>

namespace mtlspop::schannel {

std::shared_ptr<Session const> SessionPool::Acquire(
    SessionKey const& key, std::shared_ptr<BindingCertificate const> const& binding) {
  auto const now = time_->SteadyNow();
  std::lock_guard<std::mutex> const lock{mutex_};
  DropIdle(now);
  auto& entry = sessions_[key.ToString()];
  if (!entry.Shared) {
    entry.Shared = std::make_shared<Session>(functions_, key, binding, pool_);
  }
  entry.LastUse = now;
  return entry.Shared;
}

void SessionPool::Drop(std::string_view x5tS256) noexcept {
  if (x5tS256.empty()) return;
  // Closed outside the lock: closing a session may call back.
  std::map<std::string, Entry> closing;
  std::lock_guard<std::mutex> const lock{mutex_};
  for (auto entry = sessions_.begin(); entry != sessions_.end();) {
    auto const current = entry++;
    bool const isMeant = current->second.Shared && current->second.Shared->Key().X5tS256 == x5tS256;
    if (isMeant) closing.insert(sessions_.extract(current));
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
void SessionPool::DropIdle(Clock::SteadyTime now) {
  for (auto entry = sessions_.begin(); entry != sessions_.end();) {
    bool const isIdle = !entry->second.Shared ||
                        (entry->second.Shared.use_count() == 1 && now - entry->second.LastUse >= pool_.IdleTimeout);
    entry = isIdle ? sessions_.erase(entry) : std::next(entry);
  }
}

}  // namespace mtlspop::schannel
