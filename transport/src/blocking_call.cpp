#include "mtlspop/transport/blocking_call.hpp"

#include <cstddef>
#include <system_error>

#include "mtlspop/base/bounded_pool.hpp"
#include "mtlspop/base/per_process.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/executor.hpp"

namespace mtlspop {
namespace {

constexpr std::size_t BlockingThreads = 64;
constexpr std::size_t CallbackThreads = 4;

struct Pools {
  explicit Pools(Pools* /*parents*/) {}

  BoundedPool& For(BlockingWork kind) noexcept {
    switch (kind) {
      case BlockingWork::Sending:
        return Sending;
      case BlockingWork::Reading:
        return Reading;
      case BlockingWork::Tokens:
        break;
    }
    return Tokens;
  }

  BoundedPool Sending{BlockingThreads};
  BoundedPool Reading{BlockingThreads};
  BoundedPool Tokens{BlockingThreads};
  BoundedPool Callbacks{CallbackThreads};
};

Pools& OfThisProcess() {
  // Never destroyed: the end of the process stops their threads, and asynchronous calls may begin until then.
  static auto& pools = *new PerProcess<Pools>;
  return pools.Get();
}

}  // namespace

void RunBlocking(BlockingWork kind, std::function<void()> job, std::function<void()> cancel) {
  try {
    OfThisProcess().For(kind).Run({std::move(job), std::move(cancel)});
  } catch (std::system_error const& error) {
    ErrorDetails details{
        errors::SystemFailure, std::string{"There was no thread for an asynchronous call: "} + error.what(),
        "Raise the limit on threads (ulimit -u, TasksMax=, the cgroup's pids.max), or look for what takes them; where "
        "the "
        "process is ending, nothing has to be done"};
    details.NothingSent = true;
    details.Transient = true;
    throw Error{std::move(details)};
  }
}

Executor DefaultExecutor() {
  return [](std::function<void()> task) { OfThisProcess().Callbacks.RunWhenPossible({std::move(task), nullptr}); };
}

}  // namespace mtlspop
