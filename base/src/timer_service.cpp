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

class TimerService::Entry final {
 public:
  Entry(TimePoint when, std::uint64_t number, TimerService::Callback callback)
      : When(when), Number(number), Callback(std::move(callback)) {}

  TimePoint When;
  std::uint64_t const Number;
  TimerService::Callback Callback;
  bool IsCancelled = false;
};

bool TimerService::IsEarlier::operator()(Timer const& left, Timer const& right) const noexcept {
  return left->When != right->When ? left->When < right->When : left->Number < right->Number;
}

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

TimerService::Timer TimerService::Add(TimePoint when, Callback callback) {
  std::lock_guard const lock{mutex_};
  auto timer = std::make_shared<Entry>(when, ++last_, std::move(callback));
  auto const place = timers_.insert(timer).first;
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

bool TimerService::Cancel(Timer const& timer) noexcept {
  if (!timer) return false;
  std::unique_lock lock{mutex_};
  timer->IsCancelled = true;
  auto const node = timers_.extract(timer);
  if (node.empty()) return false;
  auto const callback = std::exchange(timer->Callback, nullptr);
  // What the callback holds goes without the lock.
  lock.unlock();
  return true;
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
    auto const next = (*timers_.begin())->When;
    if (std::chrono::steady_clock::now() < next) {
      changed_.wait_until(lock, next);
      continue;
    }
    auto node = timers_.extract(timers_.begin());
    auto& timer = *node.value();
    lock.unlock();
    auto const again = timer.Callback();
    lock.lock();
    if (again != TimePoint::max() && !timer.IsCancelled) {
      timer.When = again;
      timers_.insert(std::move(node));
      continue;
    }
    auto callback = std::exchange(timer.Callback, nullptr);
    lock.unlock();
    callback = nullptr;
    node = {};
    lock.lock();
  }
  isRunning_ = false;
}

}  // namespace mtlspop
