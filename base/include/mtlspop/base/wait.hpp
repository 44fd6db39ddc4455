#pragma once

/// @file
/// Waiting on a condition variable until something happens or a context ends. The context is a template's parameter, as
/// `mtlspop::Context` belongs to a layer above.

#include <algorithm>
#include <condition_variable>
#include <mutex>

namespace mtlspop {

/// Waits, `lock` being held on entry and on return, until `ready()` is true, `until` has come, or `context` is
/// cancelled or expired. Returns what `ready()` last said.
template <class Context, class Ready>
bool WaitUntil(
    std::unique_lock<std::mutex>& lock,
    std::condition_variable& changed,
    typename Context::TimePoint until,
    Context const& context,
    Ready ready) {
  if (ready()) {
    return true;
  }
  decltype(context.OnCancelled(nullptr)) registration;
  if (context.NotifiesOfCancellation()) {
    // The callback takes the lock that the waiter holds whenever it is not waiting, so that no wake-up is lost. It is
    // registered without the lock, since it runs at once where the context is cancelled already.
    auto* const mutex = lock.mutex();
    lock.unlock();
    registration = context.OnCancelled([mutex, &changed] {
      std::lock_guard<std::mutex> const guard{*mutex};
      changed.notify_all();
    });
    lock.lock();
  }
  until = std::min(until, context.Deadline());
  auto const probe = context.PollInterval();
  while (!ready() && !context.IsCancelled() && Context::Clock::now() < until) {
    auto wake = until;
    if (probe) {
      wake = std::min(wake, Context::Clock::now() + *probe);
    }
    if (wake == Context::TimePoint::max()) {
      changed.wait(lock);
    } else {
      changed.wait_until(lock, wake);
    }
  }
  bool const result = ready();
  // The registration's destructor waits for a running callback, which wants the lock.
  lock.unlock();
  registration = {};
  lock.lock();
  return result || ready();
}

/// The same, for those who cannot go on where it is the context that ends.
/// @throw what `Context::ThrowIfEnded` throws: `cancelled` or `deadline_exceeded`, with `what` as what was waited for
template <class Context, class Ready>
void WaitOrThrow(
    std::unique_lock<std::mutex>& lock,
    std::condition_variable& changed,
    Context const& context,
    char const* what,
    Ready ready) {
  while (!WaitUntil(lock, changed, Context::TimePoint::max(), context, ready)) {
    lock.unlock();
    context.ThrowIfEnded(what);
    lock.lock();
  }
}

}  // namespace mtlspop
