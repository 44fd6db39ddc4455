#pragma once

/// @file
/// One machine of a fleet in virtual time: when it asks the metadata service for a certificate and the token service for a
/// token, by the schedule that it is given.

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "renewal_schedule.hpp"

namespace mtlspop::bench {

/// Who decides when: the library of today, or the one before it.
struct Schedule {
  std::string Name;
  std::function<WallTime(WallTime issuedOn, WallTime notAfter, Renewal)> Rotation;
  std::function<WallTime(WallTime now, WallTime refreshOn, WallTime freshUntil, Renewal)> Refresh;
  std::function<WallDuration(int failures, WallDuration left)> Retry;
  /// How long after a refusal the next one is believed.
  std::function<WallDuration()> Believes;
};

/// The library's own decisions (renewal_schedule.hpp).
Schedule LibrarySchedule(RandomNumbers const& random);
/// Half life to the second, retries without jitter: as it was before there was renewal_schedule.hpp, for comparison.
Schedule ScheduleWithoutJitter();

/// What happens to the fleet.
struct History {
  WallTime Deployed;
  WallTime End;
  /// The token service answers 503 from `DownFrom` until `UpFrom`.
  WallTime DownFrom;
  WallTime UpFrom;
  /// Every certificate that was issued before is refused by the resources from here on.
  WallTime AllRefusedFrom;
  /// And so is each one that is issued after that and before this.
  WallTime AllRefusedTo{};
  /// The application's own, which nobody issues: it is good all the time, and what is refused is a token.
  bool IsOwnCertificate = false;
  std::chrono::hours CertificateLife{8};
  std::chrono::hours TokenLife{24};
  std::chrono::minutes RefreshIn{std::chrono::hours{12}};
};

/// Requests by the minute since the deployment.
struct Traffic {
  explicit Traffic(History const& history);
  void Add(std::vector<int>& minutes, WallTime when);

  History Story;
  std::vector<int> Certificates;
  std::vector<int> Tokens;
  std::size_t CertificateCount = 0;
  std::size_t TokenCount = 0;
  /// Times at which an application had no token that it could use though the one before had still been good when the
  /// token service went away.
  std::size_t Noticed = 0;
};

/// Runs a machine that was deployed at `start` and whose application asks for tokens all the time.
void RunMachine(WallTime start, Schedule const& schedule, RandomNumbers const& random, Traffic& traffic);

}  // namespace mtlspop::bench
