#include "mtlspop/transport/blocking_call.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

#include "mtlspop/base/bounded_pool.hpp"
#include "mtlspop/base/handover.hpp"
#include "mtlspop/base/pending_wait.hpp"
#include "mtlspop/base/per_process.hpp"
#include "mtlspop/transport/executor.hpp"
#include "no_thread.hpp"

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
        return Tokens;
      case BlockingWork::Sleeping:
        return Sleeping;
      case BlockingWork::Signing:
        break;
    }
    return Signing;
  }

  BoundedPool Sending{BlockingThreads};
  BoundedPool Reading{BlockingThreads};
  BoundedPool Tokens{BlockingThreads};
  BoundedPool Sleeping{BlockingThreads};
  BoundedPool Signing{BlockingThreads};
  BoundedPool Callbacks{CallbackThreads};
};

Pools& OfThisProcess() {
  // Never destroyed: the end of the process stops their threads, and asynchronous calls may begin until then.
  static auto& pools = *new PerProcess<Pools>;
  return pools.Get();
}

/// A job that has its turn or whose caller has left, whichever comes first.
class Turn final : public std::enable_shared_from_this<Turn> {
 public:
  Turn(Context const& context, std::function<void(Context const&)> job, std::function<void()> leave)
      : context_(context.WithCancellation()), job_(std::move(job)), leave_(std::move(leave)) {}

  BoundedPool::Job Job() {
    return {[self = shared_from_this()] { self->Run(); }, [self = shared_from_this()] { self->context_.Cancel(); }};
  }

  /// Leaves when the context ends.
  void WaitInLine() {
    auto wait = ContextWait<Context>::Begin(
        context_, Context::TimePoint::max(), DefaultExecutor(),
        [self = shared_from_this()](WaitEnd) { self->Leave(); });
    std::unique_lock lock{mutex_};
    if (!isTaken_) return static_cast<void>(wait_ = std::move(wait));
    lock.unlock();
    wait->Wake();
  }

 private:
  void Run() {
    if (!Take()) return;
    if (wait_) std::exchange(wait_, nullptr)->Wake();
    leave_ = nullptr;
    job_(context_);
    job_ = nullptr;
  }
  void Leave() {
    if (!Take()) return;
    wait_ = nullptr;
    job_ = nullptr;
    leave_();
    leave_ = nullptr;
  }
  /// Whoever takes it has it for itself.
  bool Take() {
    std::lock_guard const lock{mutex_};
    return !std::exchange(isTaken_, true);
  }

  Context const context_;
  std::mutex mutex_;
  bool isTaken_ = false;
  std::shared_ptr<PendingWait> wait_;
  std::function<void(Context const&)> job_;
  std::function<void()> leave_;
};

}  // namespace

void RunBlocking(
    BlockingWork kind,
    Context const& context,
    std::function<void(Context const& context)> job,
    std::function<void()> leave) {
  auto const turn = std::make_shared<Turn>(context, std::move(job), std::move(leave));
  try {
    if (OfThisProcess().For(kind).Run(turn->Job())) return;
  } catch (std::system_error const& error) {
    ThrowNoThread(error);
  }
  bool const canEnd = context.CanBeCancelled() || context.Deadline() != Context::TimePoint::max();
  if (!canEnd) return;
  try {
    turn->WaitInLine();
  } catch (std::exception const&) {
    // No thread for the timer, or no memory. Its turn comes in any case, and the job finds its context at its end.
  }
}

Executor DefaultExecutor() {
  return PoolExecutor{[]() -> BoundedPool& { return OfThisProcess().Callbacks; }};
}

}  // namespace mtlspop
