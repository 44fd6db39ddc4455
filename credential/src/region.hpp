#pragma once

/// @file
/// In which region this machine is, for the token service's regional hosts.

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "flight.hpp"
#include "mtlspop/base/per_process.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "service_client.hpp"

namespace mtlspop {

/// Letters, digits and hyphens.
bool IsRegionName(std::string_view text) noexcept;

/// Finds the region: `REGION_NAME`, `MSAL_FORCE_REGION`, else what the instance metadata service says, which is given a
/// second and asked again after an hour (and up to a quarter of one more, at random) where it said nothing that can be used.
/// One question is under way at a time, and others wait for its answer.
///
/// Thread safety: all members may be called from any thread.
class RegionFinder final {
 public:
  explicit RegionFinder(ServiceClient client, EnvironmentReader environment)
      : client_(std::move(client)), environment_(std::move(environment)) {}

  /// The region, "" where it cannot be found: the global endpoint serves all.
  /// @throw Error `cancelled`, `deadline_exceeded` when `context` ends
  std::string Find(Context const& context) const;

 private:
  struct State {
    /// A child of fork() finds out for itself.
    explicit State(State*) {}
    std::mutex Mutex;
    std::optional<std::string> Region;
    Clock::SteadyTime AskAgain;
    std::shared_ptr<Flight<std::string>> UnderWay;
  };

  /// The flight to wait for, null where the caller has to ask, after it has set `region` where nothing is to be done.
  std::shared_ptr<Flight<std::string>> Join(std::optional<std::string>& region) const;
  std::string Ask(Context const& context) const;

  std::string FromEnvironment() const;
  std::string AskImds(Context const& context) const;

  ServiceClient client_;
  EnvironmentReader environment_;
  PerProcess<State> state_;
};

}  // namespace mtlspop
