#pragma once

/// @file
/// Deadline and cancellation of an operation, passed down as a value.
///
/// A `Context` behaves as `Azure::Core::Context` does: it is copied freely, a child ends no later than its parent, and
/// cancelling a context cancels its children. One difference: a default-constructed context has no state and costs
/// nothing, so cancellation is asked for with `WithCancellation()`.
///
/// @code
/// auto context = mtlspop::Context{}.WithTimeout(std::chrono::seconds{5}).WithCancellation();
/// std::thread other{[context] { context.Cancel(); }};
/// transport->Send(request, nullptr, context);  // throws Error `cancelled` or `deadline_exceeded`
/// @endcode

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ratio>
#include <type_traits>

#include "mtlspop/export.hpp"

namespace mtlspop {

/// Keeps a callback registered with a `Context` for as long as it lives. After its destructor has returned, the
/// callback is not running and will not run. It must not be destroyed by its own callback.
class MTLSPOP_EXPORT CancellationRegistration final {
 public:
  CancellationRegistration() noexcept;
  /// Takes the registration over; the other object keeps nothing registered.
  CancellationRegistration(CancellationRegistration&&) noexcept;
  /// Ends the registration that this object holds, as its destructor does, and takes the other one over.
  CancellationRegistration& operator=(CancellationRegistration&&) noexcept;
  ~CancellationRegistration();

 private:
  friend class Context;
  struct Entry;
  explicit CancellationRegistration(std::shared_ptr<Entry> entry) noexcept;
  std::shared_ptr<Entry> entry_;
};

/// Deadline and cancellation. A value; copies share their state.
///
/// Thread safety: all members may be called from any thread at any time.
class MTLSPOP_EXPORT Context final {
 public:
  /// The clock of deadlines: it never goes back, and a change of the wall clock does not move a deadline.
  using Clock = std::chrono::steady_clock;
  /// A deadline. `TimePoint::max()` stands for none.
  using TimePoint = Clock::time_point;

  /// Never cancelled, no deadline.
  Context() noexcept = default;

  /// A child that ends at `deadline` at the latest.
  Context WithDeadline(TimePoint deadline) const;
  /// A child that ends after `timeout` at the latest. One that the clock cannot count to is no limit.
  Context WithTimeout(Clock::duration timeout) const;
  /// The same in another unit, whose longest times ("never") the clock's own unit cannot hold.
  template <class Rep, class Period>
  Context WithTimeout(std::chrono::duration<Rep, Period> timeout) const {
    using std::chrono::duration_cast;
    if constexpr (!std::ratio_less_equal_v<Period, Clock::period>) {
      using Unit = std::chrono::duration<std::common_type_t<Rep, std::int64_t>, Period>;
      if (timeout >= duration_cast<Unit>(Clock::duration::max())) return WithTimeout(Clock::duration::max());
      if (timeout <= duration_cast<Unit>(Clock::duration::min())) return WithTimeout(Clock::duration::min());
    }
    return WithTimeout(duration_cast<Clock::duration>(timeout));
  }
  /// A child on which `Cancel()` can be called.
  Context WithCancellation() const;
  /// A child that counts as cancelled from when `isCancelled` first returns true. For frameworks that can only be
  /// asked: whoever waits asks every `PollInterval()`. `isCancelled` is called from any thread and must not throw.
  Context WithCancellationProbe(std::function<bool()> isCancelled) const;

  /// Cancels this context and its children, and runs the callbacks registered with them on this thread.
  /// @throw std::logic_error where the context was not made by `WithCancellation()`.
  void Cancel() const;

  /// Whether this context or a parent was cancelled. A passed deadline does not count.
  bool IsCancelled() const noexcept;
  /// The earliest deadline of this context and its parents, `TimePoint::max()` where there is none.
  TimePoint Deadline() const noexcept;
  /// Whether the deadline has passed.
  bool IsExpired() const noexcept;
  /// Whether this context can ever be cancelled.
  bool CanBeCancelled() const noexcept { return notifies_ || probed_; }
  /// Whether a cancellation runs the callbacks that are registered. Where a probe alone tells of it, nobody calls
  /// them, and a waiting thread need not register one.
  bool NotifiesOfCancellation() const noexcept { return notifies_; }
  /// How often a waiting thread must ask `IsCancelled()`; nothing where callbacks are enough.
  std::optional<std::chrono::milliseconds> PollInterval() const noexcept;

  /// @throw Error `cancelled` or `deadline_exceeded`, with `what` as the name of what was being done.
  void ThrowIfEnded(char const* what) const;

  /// Calls `callback` once when the context is cancelled, on the thread that cancels; at once, on this thread, where it
  /// already is. The callback must not throw, and must not register with or cancel the same context.
  [[nodiscard]] CancellationRegistration OnCancelled(std::function<void()> callback) const;

 private:
  friend class CancellationRegistration;
  struct Registrations;
  struct State;
  explicit Context(std::shared_ptr<State> state, TimePoint deadline, bool notifies, bool probed) noexcept;

  std::shared_ptr<State> state_;
  TimePoint deadline_ = TimePoint::max();
  bool notifies_ = false;
  bool probed_ = false;
};

}  // namespace mtlspop
