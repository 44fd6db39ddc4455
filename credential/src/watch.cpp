#include "watch.hpp"

#include <system_error>
#include <utility>

namespace mtlspop {

Watch::Watch(std::chrono::milliseconds interval, Look look) : state_(interval, std::move(look)) {}

void Watch::Keep() const { state_.Get(); }

Watch::State::State(State*, std::chrono::milliseconds interval, Look const& look) {
  try {
    Thread = std::thread{[this, interval, look] { Run(interval, look); }};
  } catch (std::system_error const&) {
    // As many as the system allows. Whoever has this looks for itself when it is asked.
  }
}

Watch::State::~State() {
  {
    std::lock_guard<std::mutex> const lock{Mutex};
    Stopping = true;
  }
  Changed.notify_all();
  if (Thread.joinable()) Thread.join();
}

void Watch::State::Run(std::chrono::milliseconds interval, Look const& look) {
  std::unique_lock<std::mutex> lock{Mutex};
  while (!Changed.wait_for(lock, interval, [this] { return Stopping; })) {
    lock.unlock();
    look();
    lock.lock();
  }
}

}  // namespace mtlspop
