#include "mtlspop/base/timer_service.hpp"

#include <utility>

#include "mtlspop/base/per_process.hpp"

namespace mtlspop {
namespace {

constexpr std::chrono::seconds IdleTime{10};

struct ProcessTimers {
  explicit ProcessTimers(ProcessTimers* /*parents*/) {}
  TimerService Service;
};

}  // namespace

TimerService::TimerService()
    : thread_({IdleTime, nullptr, [this] {
                 std::lock_guard const lock{mutex_};
                 isStopped_ = true;
                 changed_.notify_all();
               }}) {}

TimerService& TimerService::OfThisProcess() {
  // Never destroyed: the end of the process stops its thread, and somebody may wait until then.
  static auto& timers = *new PerProcess<ProcessTimers>;
  return timers.Get().Service;
}

TimerService::Timer TimerService::Add(TimePoint when, std::function<void()> callback) {
  std::lock_guard const lock{mutex_};
  Timer const timer{when, ++last_};
  auto const place = timers_.emplace(timer, std::move(callback)).first;
  if (isRunning_) {
    if (place == timers_.begin()) changed_.notify_all();
    return timer;
  }
  try {
    thread_.RunNow([this] { Run(); });
  } catch (...) {
    timers_.erase(place);
    throw;
  }
  isRunning_ = true;
  return timer;
}

bool TimerService::Cancel(Timer const& timer) {
  std::unique_lock lock{mutex_};
  auto const node = timers_.extract(timer);
  // What the callback holds goes without the lock.
  lock.unlock();
  return !node.empty();
}

std::size_t TimerService::Count() const {
  std::lock_guard const lock{mutex_};
  return timers_.size();
}

void TimerService::Run() noexcept {
  std::unique_lock lock{mutex_};
  while (!isStopped_) {
    if (timers_.empty()) {
      if (changed_.wait_for(lock, IdleTime, [this] { return isStopped_ || !timers_.empty(); })) continue;
      break;
    }
    auto const next = timers_.begin()->first.When;
    if (std::chrono::steady_clock::now() < next) {
      changed_.wait_until(lock, next);
      continue;
    }
    auto node = timers_.extract(timers_.begin());
    lock.unlock();
    node.mapped()();
    node = {};
    lock.lock();
  }
  isRunning_ = false;
}

}  // namespace mtlspop
