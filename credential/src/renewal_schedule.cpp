#include "renewal_schedule.hpp"

#include <algorithm>
#include <cmath>

namespace mtlspop {
namespace {

using Seconds = std::chrono::duration<double>;

WallDuration Exactly(Seconds duration) { return std::chrono::duration_cast<WallDuration>(duration); }

// Uniform between the two; 0 gives the earlier one.
Seconds Between(Seconds earliest, Seconds latest, double random) { return earliest + (latest - earliest) * random; }

// The time until the next renewal, seen from a random moment of an endless row of periods that are uniform between the
// two: long periods are met more often, and any moment of one as often as any other (the equilibrium distribution of a
// renewal process). 0 and 0 give the earlier one.
Seconds UntilNextSeenAtRandom(Seconds earliest, Seconds latest, double whichPeriod, double whichMoment) {
  auto const square = [](Seconds time) { return time.count() * time.count(); };
  Seconds const period{std::sqrt(square(earliest) + whichPeriod * (square(latest) - square(earliest)))};
  return period * (1 - whichMoment);
}

WallTime DueOn(WallTime from, WallTime earliest, WallTime latest, Renewal renewal, RandomNumbers const& random) {
  if (earliest <= from) return earliest;
  Seconds const first = earliest - from;
  // What is wanted soon is not put off for hours because it could wait.
  Seconds const last = std::clamp<WallDuration>(latest - from, earliest - from, 2 * (earliest - from));
  if (renewal == Renewal::Next) return from + Exactly(Between(first, last, random()));
  auto const whichPeriod = random();
  return from + Exactly(UntilNextSeenAtRandom(first, last, whichPeriod, random()));
}

}  // namespace

WallTime RotationDueOn(WallTime issuedOn, WallTime notAfter) noexcept {
  return notAfter - std::min<WallDuration>(std::chrono::hours{24}, (notAfter - issuedOn) / 2);
}

WallTime ScheduleRotation(WallTime issuedOn, WallTime notAfter, Renewal renewal, RandomNumbers const& random) {
  auto const due = RotationDueOn(issuedOn, notAfter);
  return DueOn(issuedOn, due, due + (notAfter - due) / 2, renewal, random);
}

WallTime ScheduleRefresh(
    WallTime now, WallTime refreshOn, WallTime freshUntil, Renewal renewal, RandomNumbers const& random) {
  return DueOn(now, refreshOn, refreshOn + (freshUntil - refreshOn) / 2, renewal, random);
}

WallDuration RenewalRetryDelay(int failures, WallDuration left, RandomNumbers const& random) {
  constexpr WallDuration shortest = std::chrono::milliseconds{100};
  WallDuration const longest = failures <= 1 ? std::chrono::minutes{1} : std::chrono::minutes{60};
  auto const wait = std::min(longest, std::max(left / 2, shortest));
  return std::max(shortest, Exactly(Seconds{wait} * (1 - random())));
}

WallTime RenewalRetryOn(
    int failures, WallTime now, WallTime usableUntil, std::optional<WallTime> notBefore, RandomNumbers const& random) {
  auto const from = std::max(now, notBefore.value_or(now));
  return from + RenewalRetryDelay(failures, usableUntil - from, random);
}

WallDuration UsableMargin(WallDuration life) noexcept {
  constexpr std::chrono::minutes margin{5};
  return life >= 2 * margin ? margin : life / 4;
}

}  // namespace mtlspop
