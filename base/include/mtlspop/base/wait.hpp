#pragma once

/// @file
/// Waiting on a condition variable until something happens or a context ends. The context is a template's parameter, as
/// `mtlspop::Context` belongs to a layer above.

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include <gsl/util>

namespace mtlspop {

/// Waits, `lock` being held on entry and on return, until `ready()` is true, `until` has come, or `context` is
/// cancelled or expired. Returns what `ready()` says then, the lock being held.
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
  if (ready()) return true;
  // Somebody else may have taken meanwhile what was there.
  return result && WaitUntil(lock, changed, until, context, ready);
}

/// The same, for those who cannot go on where it is the context that ends. The lock is held where it throws, too: what the
/// caller undoes then is what others look at.
/// @throw what `Context::ThrowIfEnded` throws: `cancelled` or `deadline_exceeded`, with `what` as what was waited for
template <class Context, class Ready>
void WaitOrThrow(
    std::unique_lock<std::mutex>& lock,
    std::condition_variable& changed,
    Context const& context,
    char const* what,
    Ready ready) {
  while (!WaitUntil(lock, changed, Context::TimePoint::max(), context, ready)) {
    // The application's own function may be asked whether it is cancelled.
    lock.unlock();
    auto const relock = gsl::finally([&lock] { lock.lock(); });
    context.ThrowIfEnded(what);
  }
}

/// Many threads that wait for different things under one lock. Each is woken by itself, so that the end of one context wakes
/// one thread, and not all of them ten thousand times. Waiting allocates nothing but the registration with the context.
///
/// Thread safety: all members are called with the lock held that the waiters give.
class WaitList final {
 public:
  WaitList() = default;
  WaitList(WaitList const&) = delete;
  WaitList& operator=(WaitList const&) = delete;

  /// As the function of this name above.
  template <class Context, class Ready>
  bool WaitUntil(
      std::unique_lock<std::mutex>& lock, typename Context::TimePoint until, Context const& context, Ready ready) {
    if (ready()) return true;
    Waiter waiter{[](void* of) { return (*static_cast<Ready*>(of))(); }, &ready};
    auto const hasRegistered = context.NotifiesOfCancellation();
    decltype(context.OnCancelled(nullptr)) registration;
    if (hasRegistered) {
      // As in mtlspop::WaitUntil.
      auto* const mutex = lock.mutex();
      lock.unlock();
      registration = context.OnCancelled([mutex, &waiter] {
        std::lock_guard<std::mutex> const guard{*mutex};
        waiter.Changed.notify_one();
      });
      lock.lock();
    }
    Add(waiter);
    until = std::min(until, context.Deadline());
    auto const probe = context.PollInterval();
    bool isReady = ready();
    while (!isReady && !context.IsCancelled() && Context::Clock::now() < until) {
      auto wake = until;
      if (probe) wake = std::min(wake, Context::Clock::now() + *probe);
      waiter.IsWoken = false;
      if (wake == Context::TimePoint::max()) {
        waiter.Changed.wait(lock);
      } else {
        waiter.Changed.wait_until(lock, wake);
      }
      isReady = ready();
    }
    Remove(waiter);
    // Whoever goes without what it was woken for leaves it to the next one.
    if (!isReady && waiter.IsWoken) WakeFirstReady();
    if (hasRegistered) {
      // The registration's destructor waits for a running callback, which wants the lock.
      lock.unlock();
      registration = {};
      lock.lock();
      // Somebody else may have taken meanwhile what was there.
      if (isReady && !ready()) return WaitUntil(lock, until, context, ready);
    }
    return isReady || ready();
  }

  template <class Context, class Ready>
  void WaitOrThrow(std::unique_lock<std::mutex>& lock, Context const& context, char const* what, Ready ready) {
    while (!WaitUntil(lock, Context::TimePoint::max(), context, ready)) {
      lock.unlock();
      auto const relock = gsl::finally([&lock] { lock.lock(); });
      context.ThrowIfEnded(what);
    }
  }

  /// Something happened that may concern all of them.
  void WakeAll() noexcept {
    for (auto* waiter = first_; waiter != nullptr; waiter = waiter->Next) waiter->Wake();
  }

  /// Something became free that one of them can have: the one that has waited longest of those who are ready for it. One that
  /// finds it gone waits on; one whose context has ended wakes the next in its place.
  void WakeFirstReady() noexcept {
    for (auto* waiter = first_; waiter != nullptr; waiter = waiter->Next) {
      if (!waiter->IsWoken && waiter->IsReady(waiter->Of)) return waiter->Wake();
    }
  }

  bool IsEmpty() const noexcept { return first_ == nullptr; }

 private:
  struct Waiter {
    Waiter(bool (*isReady)(void*), void* of) noexcept : IsReady(isReady), Of(of) {}
    void Wake() noexcept {
      IsWoken = true;
      Changed.notify_one();
    }

    bool (*const IsReady)(void*);
    void* const Of;
    std::condition_variable Changed;
    bool IsWoken = false;
    Waiter* Previous = nullptr;
    Waiter* Next = nullptr;
  };

  void Add(Waiter& waiter) noexcept {
    waiter.Previous = last_;
    (last_ == nullptr ? first_ : last_->Next) = &waiter;
    last_ = &waiter;
  }
  void Remove(Waiter& waiter) noexcept {
    (waiter.Previous == nullptr ? first_ : waiter.Previous->Next) = waiter.Next;
    (waiter.Next == nullptr ? last_ : waiter.Next->Previous) = waiter.Previous;
  }

  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
};

}  // namespace mtlspop
