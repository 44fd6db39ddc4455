#include "learned_scopes.hpp"

#include <algorithm>

#include "mtlspop/base/wait.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop {

LearnedOrigin::Turn LearnedOrigin::TakeTurnToAsk(Context const& context) {
  std::unique_lock<std::mutex> lock{mutex_};
  auto const ready =
      WaitUntil(lock, turnEnded_, Context::TimePoint::max(), context, [this] { return open_ || !isAsked_; });
  if (!ready) {
    lock.unlock();
    context.ThrowIfEnded("waiting for what the resource asks for");
    // The deadline was reached to the tick, and the clock says not yet.
    throw Error{
        {errors::DeadlineExceeded, "Waiting for what the resource asks for took longer than allowed",
         "Allow more time"}};
  }
  if (open_) return Turn{nullptr, [](LearnedOrigin*) {}};
  isAsked_ = true;
  return Turn{this, [](LearnedOrigin* origin) { origin->EndTurn(); }};
}

void LearnedOrigin::EndTurn() noexcept {
  std::lock_guard<std::mutex> const lock{mutex_};
  isAsked_ = false;
  turnEnded_.notify_all();
}

void LearnedOrigin::SetOpen() noexcept {
  std::lock_guard<std::mutex> const lock{mutex_};
  open_ = true;
  turnEnded_.notify_all();
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
