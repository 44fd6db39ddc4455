#pragma once

/// @file
/// A piece of work that many wait for and one does.

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "failure.hpp"
#include "mtlspop/transport/context.hpp"

namespace mtlspop {

/// The result of work that is under way: set once, waited for by any number of threads.
///
/// The work has a context of its own, never a waiter's: a waiter whose context ends leaves, and nobody else notices.
///
/// Thread safety: all members may be called from any thread.
template <typename T>
class Flight final {
 public:
  void Complete(T result) {
    {
      std::lock_guard<std::mutex> const lock{mutex_};
      result_ = std::move(result);
    }
    changed_.notify_all();
  }

  void Fail(Failure failure) {
    {
      std::lock_guard<std::mutex> const lock{mutex_};
      failure_ = std::move(failure);
    }
    changed_.notify_all();
  }

  /// @throw Error what the work threw, or `cancelled` and `deadline_exceeded` with `what` where `context` ends first
  T Wait(Context const& context, char const* what) {
    std::unique_lock<std::mutex> lock{mutex_};
    if (!IsDone()) {
      CancellationRegistration registration;
      lock.unlock();
      // Outside the lock, since the callback runs at once where the context is cancelled already.
      registration = context.OnCancelled([this] {
        { std::lock_guard<std::mutex> const taken{mutex_}; }
        changed_.notify_all();
      });
      lock.lock();
      WaitLocked(lock, context);
      // The registration's end waits for a running callback, which wants the lock.
      lock.unlock();
      registration = CancellationRegistration{};
      lock.lock();
    }
    if (result_) return *result_;
    if (failure_) {
      auto const failure = *failure_;
      lock.unlock();
      failure.Throw();
    }
    lock.unlock();
    context.ThrowIfEnded(what);
    // The deadline was reached to the tick, and the clock says not yet.
    throw Error{{errors::DeadlineExceeded, std::string{what} + " took longer than allowed", "Allow more time"}};
  }

 private:
  bool IsDone() const noexcept { return result_ || failure_; }

  void WaitLocked(std::unique_lock<std::mutex>& lock, Context const& context) {
    auto const deadline = context.Deadline();
    auto const probe = context.PollInterval();
    while (!IsDone() && !context.IsCancelled() && Context::Clock::now() < deadline) {
      auto wake = deadline;
      if (probe) wake = std::min(wake, Context::Clock::now() + *probe);
      if (wake == Context::TimePoint::max()) {
        changed_.wait(lock);
      } else {
        changed_.wait_until(lock, wake);
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<T> result_;
  std::optional<Failure> failure_;
};

}  // namespace mtlspop
