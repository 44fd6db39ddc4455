#include "schannel/session_pool.hpp"

#include <utility>
#include <vector>

namespace mtlspop::schannel {
namespace {

/// How many retired certificates are remembered. A request with a retired binding comes, if at all, soon after.
constexpr std::size_t RememberedRetirements = 1024;

}  // namespace

std::shared_ptr<Session const> SessionPool::Acquire(
    SessionKey const& key, std::shared_ptr<BindingCertificate const> const& binding) {
  auto const now = time_->SteadyNow();
  std::lock_guard<std::mutex> const lock{mutex_};
  if (!key.X5tS256.empty() && retired_.find(key.X5tS256) != retired_.end()) {
    return std::make_shared<Session>(functions_, key, binding, pool_);
  }
  DropIdle(now);
  auto& entry = sessions_[key.ToString()];
  if (!entry.Shared) {
    entry.Shared = std::make_shared<Session>(functions_, key, binding, pool_);
  }
  entry.LastUse = now;
  return entry.Shared;
}

void SessionPool::Retire(std::string_view x5tS256) {
  // Closed outside the lock: closing a session may call back.
  std::vector<std::shared_ptr<Session const>> closing;
  std::lock_guard<std::mutex> const lock{mutex_};
  for (auto entry = sessions_.begin(); entry != sessions_.end();) {
    if (entry->second.Shared && entry->second.Shared->Key().X5tS256 == x5tS256) {
      closing.push_back(std::move(entry->second.Shared));
      entry = sessions_.erase(entry);
    } else {
      ++entry;
    }
  }
  retiredSoFar_ += closing.size();
  if (retired_.emplace(x5tS256).second) {
    retiredInOrder_.emplace_back(x5tS256);
    if (retiredInOrder_.size() > RememberedRetirements) {
      retired_.erase(retiredInOrder_.front());
      retiredInOrder_.pop_front();
    }
  }
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

std::uint64_t SessionPool::RetiredSoFar() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return retiredSoFar_;
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
