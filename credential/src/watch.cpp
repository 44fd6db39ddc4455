#include "watch.hpp"

#include <exception>
#include <utility>

namespace mtlspop {

Watch::Watch(Interval interval, Look look) : state_(std::move(interval), std::move(look)) {}

void Watch::Keep() const { state_.Get(); }

Watch::State::State(State*, Interval const& interval, Look const& look)
    : Threads({std::chrono::milliseconds{1}, nullptr, [this] { Stop(); }}) {
  try {
    Threads.RunNow([this, interval, look] { Run(interval, look); });
  } catch (std::exception const&) {
    // As many as the system allows. Whoever has this looks for itself when it is asked.
  }
}

void Watch::State::Stop() noexcept {
  {
    std::lock_guard<std::mutex> const lock{Mutex};
    Stopping = true;
  }
  Changed.notify_all();
  Life.Cancel();
}

void Watch::State::Run(Interval const& interval, Look const& look) {
  std::unique_lock<std::mutex> lock{Mutex};
  while (!Changed.wait_for(lock, interval(), [this] { return Stopping; })) {
    lock.unlock();
    look(Life);
    lock.lock();
  }
}

}  // namespace mtlspop
