#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include <pplx/pplxtasks.h>

#include "mtlspop/base/wait.hpp"
#include "mtlspop/transport/context.hpp"

namespace mtlspop::cpprest {

/// Waits for `task` and returns what it gives. `scheduler` runs the notification, so that nothing here depends on a
/// thread of the application's being free.
/// @throw what the task throws; Error `cancelled` or `deadline_exceeded`, and then the task goes on by itself: what it
/// works on must be kept alive by the task. How it ends then is nobody's concern any more, but it has been looked at:
/// pplx ends the process over an exception that nobody has seen.
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
    task.then(
        [signal](pplx::task<Result> done) {
          try {
            static_cast<void>(done.wait());
          } catch (...) {  // NOLINT(bugprone-empty-catch): seen
          }
          signal->Notify();
        },
        pplx::task_options(scheduler));
    std::unique_lock lock{signal->Mutex};
    WaitOrThrow(lock, signal->Changed, context, what, [&] { return signal->Done; });
  }
  return task.get();
}

}  // namespace mtlspop::cpprest
