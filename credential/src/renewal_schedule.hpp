#pragma once

/// @file
/// When certificates and tokens are renewed, and when a renewal that failed is tried again: so that machines which were
/// started together do not come back together.
///
/// A fleet that one deployment started has certificates and tokens of one age. If each machine renewed at half life, all
/// of them would ask in one minute, again and again: nothing spreads what begins in step. Here two things do.
/// - Each renewal is due at a random time between the one that the contract names and a later one that is still safe.
/// - The first renewal of what nothing was renewed before comes at a random time of the whole period, distributed as the
///   time until the next renewal is for somebody who looks at a machine at random. A fleet then asks at an even rate from
///   the first hour on, for half a request more in the life of a process.
///
/// Where `random` returns 0, everything is due when the contract says and no sooner or later.

#include <chrono>
#include <optional>

#include "mtlspop/base/random_numbers.hpp"

namespace mtlspop {

/// What is renewed.
enum class Renewal {
  /// Nothing of its kind was there: the machine has just been started, or what it had was refused, or it ended while the
  /// service was away. Others may be in the same place at the same time.
  First,
  /// It took the place of another one, which was due.
  Next,
};

using WallTime = std::chrono::system_clock::time_point;
using WallDuration = std::chrono::system_clock::duration;

/// When the next certificate is due: when less than 24 hours or less than half of its life remain, whichever is the
/// shorter time (contract, section 8).
WallTime RotationDueOn(WallTime issuedOn, WallTime notAfter) noexcept;

/// When the next certificate is asked for: when it is due, or later, at random until half of the time that remains then is
/// over.
WallTime ScheduleRotation(WallTime issuedOn, WallTime notAfter, Renewal renewal, RandomNumbers const& random);

/// When the next token should be had: from `refreshOn`, which the service named or which is half of a long life, at
/// random until half of the time up to `freshUntil` is over, and at the latest after twice the time up to `refreshOn`.
WallTime ScheduleRefresh(
    WallTime now, WallTime refreshOn, WallTime freshUntil, Renewal renewal, RandomNumbers const& random);

/// How long to wait after so many failures (1 or more) to renew something that is still good for `left`: at random up to
/// a minute after the first, then up to an hour, and never more than half of `left`. What is waited for is not missed
/// meanwhile. The longest wait is long, and reached at once, because an outage of an hour leaves a good part of a fleet
/// waiting: spread over minutes, its return would be the next outage.
WallDuration RenewalRetryDelay(int failures, WallDuration left, RandomNumbers const& random);

/// When a renewal that failed at `now` is tried again: the delay above, counted from the time that the service named
/// (`Retry-After`) where it did. A service that puts a whole fleet off names one time to all of it.
WallTime RenewalRetryOn(
    int failures, WallTime now, WallTime usableUntil, std::optional<WallTime> notBefore, RandomNumbers const& random);

/// How long before its end a token or certificate of the given life is no longer used if a new one can be had: five
/// minutes, or a quarter of a life that is shorter than ten minutes.
WallDuration UsableMargin(WallDuration life) noexcept;

}  // namespace mtlspop
