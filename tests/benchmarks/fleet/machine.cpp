#include "fleet/machine.hpp"

#include <algorithm>

#include "binding_life.hpp"

namespace mtlspop::bench {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class Machine final {
 public:
  Machine(Schedule const& schedule, RandomNumbers const& random, Traffic& traffic)
      : schedule_(schedule), traffic_(traffic), story_(traffic.Story) {
    // The application notices the refusal with its next request; it sends one each minute.
    phase_ = refusedOn_ = story_.AllRefusedFrom + std::chrono::duration_cast<WallDuration>(minutes{1} * random());
  }

  void Run(WallTime start) {
    Issue(start, Renewal::First);
    TryForToken(start);
    while (true) {
      auto const now = std::min({rotateOn_, tokenOn_, refusedOn_});
      if (now >= story_.End) return;
      if (now == refusedOn_) {
        refusedOn_ = now < story_.AllRefusedTo ? AtRequest(now + schedule_.Believes()) : WallTime::max();
        Issue(now, Renewal::First);
        TryForToken(now);
      } else if (now == rotateOn_) {
        Issue(now, Renewal::Next);
        failures_ = 0;
        TryForToken(now);
      } else {
        TryForToken(now);
      }
    }
  }

 private:
  /// The application's next request that is sent at this time or later.
  WallTime AtRequest(WallTime time) const {
    auto const since = (time - phase_) % minutes{1};
    return since == WallDuration::zero() ? time : time + minutes{1} - since;
  }

  void Issue(WallTime now, Renewal renewal) {
    tokenRenewal_ = renewal;
    if (story_.IsOwnCertificate) {
      certificateEnd_ = rotateOn_ = WallTime::max();
      return;
    }
    traffic_.Add(traffic_.Certificates, now);
    ++traffic_.CertificateCount;
    certificateEnd_ = now + story_.CertificateLife;
    rotateOn_ = schedule_.Rotation(now, certificateEnd_, renewal);
  }

  bool IsDown(WallTime now) const { return story_.DownFrom <= now && now < story_.UpFrom; }

  // The token service's client asks a second time after a second (TokenServiceRetry).
  void TryForToken(WallTime now) {
    for (int attempt = 0; attempt < 2; ++attempt, now += seconds{1}) {
      traffic_.Add(traffic_.Tokens, now);
      ++traffic_.TokenCount;
      if (!IsDown(now)) return TakeToken(now);
    }
    // Without a token it is asked for with each request of the application; and whatever is due comes with one of them.
    auto const wait = now < usableUntil_ ? schedule_.Retry(++failures_, usableUntil_ - now) : WallDuration::zero();
    tokenOn_ = now + std::max<WallDuration>(wait, minutes{1});
  }

  void TakeToken(WallTime now) {
    bool const hasEnded = usableUntil_ != WallTime::min() && now > usableUntil_;
    if (hasEnded) ++traffic_.Noticed;
    failures_ = 0;
    auto const end = std::min(now + story_.TokenLife, certificateEnd_);
    auto const freshUntil = end - UsableMargin(end - now);
    usableUntil_ = end;
    tokenOn_ = schedule_.Refresh(
        now, std::min(now + story_.RefreshIn, freshUntil), freshUntil, hasEnded ? Renewal::First : tokenRenewal_);
    // A rotation brings a token of its own, long before this one's time where certificates live shorter.
    tokenRenewal_ = Renewal::Next;
  }

  Schedule const& schedule_;
  Traffic& traffic_;
  History const& story_;
  WallTime certificateEnd_{};
  WallTime rotateOn_{};
  WallTime tokenOn_{};
  WallTime usableUntil_ = WallTime::min();
  WallTime phase_{};
  WallTime refusedOn_{};
  Renewal tokenRenewal_ = Renewal::First;
  int failures_ = 0;
};

}  // namespace

Schedule LibrarySchedule(RandomNumbers const& random) {
  return {
      "with jitter",
      [random](WallTime issuedOn, WallTime notAfter, Renewal renewal) {
        return ScheduleRotation(issuedOn, notAfter, renewal, random);
      },
      [random](WallTime now, WallTime refreshOn, WallTime freshUntil, Renewal renewal) {
        return ScheduleRefresh(now, refreshOn, freshUntil, renewal, random);
      },
      [random](int failures, WallDuration left) { return RenewalRetryDelay(failures, left, random); },
      [random] { return WithJitter(BindingLife::Interval, random); }};
}

Schedule ScheduleWithoutJitter() {
  RandomNumbers const none = [] { return 0.0; };
  auto schedule = LibrarySchedule(none);
  schedule.Name = "without jitter";
  schedule.Retry = [](int, WallDuration left) {
    return std::clamp<WallDuration>(left / 8, std::chrono::milliseconds{100}, seconds{30});
  };
  return schedule;
}

Traffic::Traffic(History const& history) : Story(history) {
  auto const count = static_cast<std::size_t>((history.End - history.Deployed) / minutes{1}) + 1;
  Certificates.resize(count);
  Tokens.resize(count);
}

void Traffic::Add(std::vector<int>& counts, WallTime when) {
  auto const minute = static_cast<std::size_t>((when - Story.Deployed) / minutes{1});
  if (minute < counts.size()) ++counts[minute];
}

void RunMachine(WallTime start, Schedule const& schedule, RandomNumbers const& random, Traffic& traffic) {
  Machine{schedule, random, traffic}.Run(start);
}

}  // namespace mtlspop::bench
