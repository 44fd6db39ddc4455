#pragma once

/// @file
/// Time and waiting, passed in so that tests of expiry and back-off run in milliseconds.

#include <chrono>
#include <memory>

#include <gsl/pointers>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/outcome.hpp"

namespace mtlspop {

/// Where the library takes the time from and how it waits.
///
/// Thread safety: all members may be called from any thread at any time.
class MTLSPOP_EXPORT Clock {
 public:
  /// A time of the wall clock, which may be set while the process runs.
  using SystemTime = std::chrono::system_clock::time_point;
  /// A time of the monotonic clock, which never goes back.
  using SteadyTime = std::chrono::steady_clock::time_point;

  virtual ~Clock() = default;

  /// Wall clock time, for the validity of tokens and certificates.
  virtual SystemTime Now() const = 0;
  /// Monotonic time, for idle connections and measurements. Asked also on the thread of a reactor, which many requests share, and
  /// never with a lock held that a call into the library would want: it must not wait.
  virtual SteadyTime SteadyNow() const = 0;
  /// Returns after `duration`.
  /// @throw Error `cancelled` or `deadline_exceeded` when `context` ends first; it throws at once where the context's
  /// deadline would pass while waiting.
  virtual void Sleep(std::chrono::nanoseconds duration, Context const& context) = 0;
  /// As `Sleep`, without waiting for it: `done` is told when `Sleep` would return or what it would throw. The clock must live
  /// until then. What is promised to `done` and asked of it is said in outcome.hpp.
  ///
  /// By default calls `Sleep` on one of a bounded number of threads (64 for the process); `SystemClock()` uses none.
  /// @throw Error `system_failure` where no thread can be had, std::bad_alloc; `done` is not called then
  virtual void SleepAsync(std::chrono::nanoseconds duration, Context const& context, Completion<void> done);
};

/// The machine's own clocks. The same object on each call.
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<Clock>> SystemClock();

}  // namespace mtlspop
