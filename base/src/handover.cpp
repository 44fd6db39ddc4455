#include "mtlspop/base/handover.hpp"

#include <utility>

namespace mtlspop {

void PoolExecutor::operator()(std::function<void()> task) const {
  if (auto* const call = task.target<Handover::Call>()) {
    auto& place = call->Of->place_;
    return Pool().RunIn(place, std::move(task));
  }
  Pool().RunWhenPossible({std::move(task), nullptr});
}

Handover::Handover(Executor const& executor) {
  if (auto const* const pool = executor.target<PoolExecutor>()) thread_ = pool->Pool().KeepThread();
}

void Handover::HandOver(Executor const& executor, std::shared_ptr<Handover> self) noexcept {
  task_.target<Call>()->Of = std::move(self);
  executor(std::move(task_));
}

}  // namespace mtlspop
