#include "learned_scopes.hpp"

#include <algorithm>
#include <chrono>

namespace mtlspop {

std::unique_lock<std::timed_mutex> LearnedOrigin::LockForAsking(Context const& context) {
  std::unique_lock lock{asking_, std::defer_lock};
  while (!open_) {
    context.ThrowIfEnded("waiting for what the resource asks for");
    if (lock.try_lock_for(std::chrono::milliseconds{20})) break;
  }
  return lock;
}

std::shared_ptr<LearnedOrigin> LearnedScopes::Find(Origin const& origin) const {
  auto const found =
      std::find_if(entries_.begin(), entries_.end(), [&origin](Entry const& entry) { return entry.first == origin; });
  return found == entries_.end() ? nullptr : found->second;
}

std::shared_ptr<LearnedOrigin> LearnedScopes::Of(Origin const& origin) {
  {
    std::shared_lock const lock{mutex_};
    if (auto known = Find(origin)) return known;
  }
  std::unique_lock const lock{mutex_};
  if (auto known = Find(origin)) return known;
  if (entries_.size() >= MaximumOrigins) entries_.erase(entries_.begin());
  entries_.emplace_back(origin, std::make_shared<LearnedOrigin>());
  return entries_.back().second;
}

}  // namespace mtlspop
