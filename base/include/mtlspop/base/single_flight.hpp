#pragma once

/// @file
/// A piece of work that many wait for and one does.

#include <exception>
#include <mutex>
#include <optional>
#include <utility>

#include "mtlspop/base/pending_wait.hpp"
#include "mtlspop/base/wait.hpp"

namespace mtlspop {

/// The result of work that is under way: set once, waited for by any number of threads, and of those who have none.
///
/// The work has a context of its own, never a waiter's: a waiter whose context ends leaves, and nobody else notices.
///
/// @tparam Failure can be copied, and has a `[[noreturn]] void Throw() const`
///
/// Thread safety: all members may be called from any thread.
template <typename T, typename Failure>
class SingleFlight final {
 public:
  void Complete(T result) {
    Land([&] { result_ = std::move(result); });
  }

  void Fail(Failure failure) {
    Land([&] { failure_ = std::move(failure); });
  }

  /// @throw what the work threw, or `cancelled` and `deadline_exceeded` with `what` where `context` ends first
  template <class Context>
  T Wait(Context const& context, char const* what) {
    std::unique_lock<std::mutex> lock{mutex_};
    waiting_.WaitOrThrow(lock, context, what, [this] { return IsDone(); });
    lock.unlock();
    return Result();
  }

  /// As `Wait`, without a thread: calls `done` on `executor` with what `Wait` returns, or with what it throws as a
  /// `std::exception_ptr`. `done` keeps this flight alive.
  /// @throw std::system_error, std::bad_alloc where there is no thread for a timer or for `done`, which is not called then
  template <class Context, class Executor, class Done>
  void WaitAsync(Context const& context, char const* what, Executor const& executor, Done done) {
    PendingWaits::List added(1);
    auto const wait = ContextWait<Context>::Begin(
        context, Context::TimePoint::max(), executor,
        [this, context, what, done = std::move(done)](WaitEnd) { Tell(context, what, done); });
    added.front() = wait;
    {
      std::lock_guard<std::mutex> const lock{mutex_};
      if (!IsDone()) return pending_.Add(std::move(added));
    }
    wait->Wake();
  }

 private:
  bool IsDone() const noexcept { return result_ || failure_; }

  template <class Set>
  void Land(Set set) {
    PendingWaits::List pending;
    {
      std::lock_guard<std::mutex> const lock{mutex_};
      set();
      waiting_.WakeAll();
      pending = pending_.TakeAll();
    }
    WakeAll(pending);
  }

  /// Once it is done, nothing changes any more.
  T Result() const {
    if (result_) return *result_;
    failure_->Throw();
  }

  template <class Context, class Done>
  void Tell(Context const& context, char const* what, Done const& done) {
    std::optional<T> result;
    std::exception_ptr failure;
    try {
      std::unique_lock<std::mutex> lock{mutex_};
      bool const isDone = IsDone();
      lock.unlock();
      if (!isDone) context.ThrowIfEnded(what);
      result = Result();
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) {
      done(std::move(failure));
    } else {
      done(*std::move(result));
    }
  }

  std::mutex mutex_;
  WaitList waiting_;
  PendingWaits pending_;
  std::optional<T> result_;
  std::optional<Failure> failure_;
};

}  // namespace mtlspop
