#pragma once

/// @file
/// Tasks of cpprestsdk's that belong to the application's own streams, for whoever may leave before they end.

#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <utility>

#include <pplx/pplxtasks.h>

#include "mtlspop/base/pending_wait.hpp"
#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/executor.hpp"
#include "mtlspop/transport/outcome.hpp"

namespace mtlspop::cpprest {

/// `DefaultExecutor()` as a scheduler of pplx, for what never waits: so that nothing here depends on a thread of
/// cpprestsdk's, or of the application's, being free.
///
/// Thread safety: all members may be called from any thread.
class CallbackScheduler final : public pplx::scheduler_interface {
 public:
  void schedule(pplx::TaskProc_t task, void* argument) override {
    try {
      DefaultExecutor()([task, argument] { task(argument); });
    } catch (std::bad_alloc const&) {
      // Nobody could be told. It never waits, and pplx holds no lock here.
      task(argument);
    }
  }

  static pplx::task_options Options() {
    static auto& scheduler = *new pplx::scheduler_ptr{std::make_shared<CallbackScheduler>()};
    return pplx::task_options{scheduler};
  }
};

/// Calls `done` with how `task` ends, or, where `context` ends first, with `cancelled` or `deadline_exceeded`, `what` being
/// what was waited for. Then the task goes on by itself: what it works on must be kept alive by it. How it ends is nobody's
/// concern any more, but it has been looked at: pplx ends the process over an exception that nobody has seen.
/// @throw std::system_error, std::bad_alloc where nothing can be waited with; the task is looked at all the same
template <typename Result>
void WhenDone(pplx::task<Result> const& task, Context const& context, char const* what, Completion<Result> done) {
  struct End {
    std::mutex Mutex;
    std::optional<Outcome<Result>> Came;
    std::shared_ptr<PendingWait> Wait;

    void Set(Outcome<Result> outcome) {
      std::unique_lock lock{Mutex};
      Came.emplace(std::move(outcome));
      auto const wait = Wait;
      lock.unlock();
      if (wait) wait->Wake();
    }
  };
  auto const end = std::make_shared<End>();
  task.then(
      [end](pplx::task<Result> const& ended) { end->Set(OutcomeOf([&] { return ended.get(); })); },
      CallbackScheduler::Options());
  auto wait = ContextWait<Context>::Begin(
      context, Context::TimePoint::max(), DefaultExecutor(), [end, context, what, done = std::move(done)](WaitEnd) {
        std::unique_lock lock{end->Mutex};
        end->Wait = nullptr;
        auto came = std::exchange(end->Came, std::nullopt);
        lock.unlock();
        if (came) return done(std::move(*came));
        try {
          context.ThrowIfEnded(what);
        } catch (...) {
          done(std::current_exception());
        }
      });
  std::unique_lock lock{end->Mutex};
  bool const isThere = end->Came.has_value();
  if (!isThere && !wait->IsOver()) end->Wait = wait;
  lock.unlock();
  if (isThere) wait->Wake();
}

}  // namespace mtlspop::cpprest
