#pragma once

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>

#include <pplx/pplxtasks.h>

#include "mtlspop/transport/context.hpp"

namespace mtlspop::cpprest {

/// Waits for `task` and returns what it gives. `scheduler` runs the notification, so that nothing here depends on a
/// thread of the application's being free.
/// @throw what the task throws; Error `cancelled` or `deadline_exceeded`, and then the task goes on by itself: what it
/// works on must be kept alive by the task.
template <typename Result>
Result Await(pplx::task<Result> task, pplx::scheduler_ptr const& scheduler, Context const& context, char const* what) {
  if (!task.is_done()) {
    struct Signal {
      std::mutex Mutex;
      std::condition_variable Changed;
      bool Done = false;
      void Notify() {
        std::lock_guard const lock{Mutex};
        Done = true;
        Changed.notify_all();
      }
    };
    auto const signal = std::make_shared<Signal>();
    task.then([signal](pplx::task<Result>) { signal->Notify(); }, pplx::task_options(scheduler));
    auto const registration = context.OnCancelled([signal] {
      std::lock_guard const lock{signal->Mutex};
      signal->Changed.notify_all();
    });
    std::unique_lock lock{signal->Mutex};
    while (!signal->Done) {
      context.ThrowIfEnded(what);
      auto until = context.Deadline();
      if (auto const poll = context.PollInterval()) until = std::min(until, Context::Clock::now() + *poll);
      if (until == Context::TimePoint::max()) {
        signal->Changed.wait(lock);
      } else {
        signal->Changed.wait_until(lock, until);
      }
    }
  }
  return task.get();
}

}  // namespace mtlspop::cpprest
