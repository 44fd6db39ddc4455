#pragma once

/// @file
/// Tenants that may not have bound tokens.

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/base/random_numbers.hpp"
#include "mtlspop/transport/clock.hpp"

namespace mtlspop {

/// Remembers which tenants the token service said it of, so that it is not asked again for each resource. Believed for an
/// hour, and up to a quarter more at random: somebody may have the feature enabled meanwhile.
///
/// Thread safety: all members may be called from any thread.
class IneligibleTenants final {
 public:
  static constexpr std::chrono::hours Believed{1};

  explicit IneligibleTenants(RandomNumbers random) : random_(std::move(random)) {}

  /// `tenant` is as requests name it, "" for the credential's own.
  void Add(std::string const& tenant, Clock::SteadyTime now);
  bool Contain(std::string const& tenant, Clock::SteadyTime now) const;

 private:
  struct State {
    /// A child of fork() finds out for itself.
    explicit State(State*) {}
    std::mutex Mutex;
    std::map<std::string, Clock::SteadyTime> Until;
  };

  RandomNumbers random_;
  PerProcess<State> state_;
};

}  // namespace mtlspop
