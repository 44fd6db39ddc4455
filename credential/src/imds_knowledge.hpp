#pragma once

/// @file
/// What this process has learned of an instance metadata service.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "flight.hpp"
#include "mtlspop/base/per_process.hpp"
#include "mtlspop/base/random_numbers.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop {

/// What a probe found.
enum class ImdsVersion {
  /// Somebody answers; which version it is the requests themselves will show.
  Unknown,
  /// Bearer tokens only.
  V1,
  V2,
};

/// What a probe was answered.
struct ImdsFinding {
  ImdsVersion Version = ImdsVersion::Unknown;
  /// What a request of version 2 fails with, where the answer is neither version's nor one that passes. Version 1 may be
  /// there all the same: it knows nothing of what was asked.
  std::optional<ErrorDetails> Refusal{};
  /// Of the probe.
  std::string CorrelationId{};
  /// How often it was sent on behalf of whoever is told; 0 where it was for an earlier or another caller.
  int Attempts = 0;
};

/// What is known of the service at one address, for all credentials that reach it through the same transport. One probe is
/// under way at a time, and others wait for its answer. What failed is not kept: the next caller probes again.
///
/// Thread safety: all members may be called from any thread.
class ImdsKnowledge final {
 public:
  /// That version 1 is all there is, is believed for so long and up to a quarter more at random: hosts are upgraded under
  /// running machines.
  static constexpr std::chrono::hours BelievesV1{1};
  /// That somebody is there, whatever was answered, is believed for so long.
  static constexpr std::chrono::minutes BelievesSomebody{1};
  struct Sources {
    Clock const& Time;
    RandomNumbers const& Random;
  };
  using Probe = std::function<ImdsFinding(Context const& context)>;

  ImdsKnowledge() = default;
  ImdsKnowledge(ImdsKnowledge const&) = delete;
  ImdsKnowledge& operator=(ImdsKnowledge const&) = delete;

  /// What this process knows of the service at `endpoint`, as reached through `transport`.
  static std::shared_ptr<ImdsKnowledge> Of(
      std::shared_ptr<HttpTransport> const& transport, std::string const& endpoint);

  /// What is there, from memory, from a probe that is under way, or from `probe`, which throws where nobody answers.
  /// @throw Error what `probe` throws; `cancelled`, `deadline_exceeded` when `context` ends
  ImdsFinding Find(Sources const& sources, Context const& context, Probe const& probe);
  /// Whether a probe was answered within the last minute, whatever the answer was.
  bool HasHeardOfSomebody(Clock const& clock) const;
  /// Whether the last probe ended without an answer.
  bool HasFailed() const;
  /// A request failed in a way that what was learned does not explain: the next one begins with a probe.
  void ForgetVersion();

  /// How version 2 calls the resource id of an identity: `mi_res_id` as long as nothing else is known.
  std::string ResourceIdName() const;
  bool IsResourceIdNameConfirmed() const;
  /// The service took a request with this name.
  void ConfirmResourceIdName(std::string const& name);

 private:
  struct State {
    /// A child of fork() goes on with what its parent knew, unless that was changing just then.
    explicit State(State* parents);

    std::mutex Mutex;
    /// With a version; the others are not kept.
    ImdsFinding Known;
    /// Of version 1.
    Clock::SteadyTime BelievedUntil;
    std::optional<Clock::SteadyTime> SomebodyUntil;
    bool HasFailed = false;
    std::shared_ptr<Flight<ImdsFinding>> UnderWay;
    std::string ResourceIdName = "mi_res_id";
    bool IsResourceIdNameConfirmed = false;
  };

  /// The flight to wait for, null where the caller has to probe, after it has set `known` where nothing is to be done.
  std::shared_ptr<Flight<ImdsFinding>> Join(Clock const& clock, std::optional<ImdsFinding>& known);
  ImdsFinding Ask(Sources const& sources, Context const& context, Probe const& probe);

  PerProcess<State> state_;
};

}  // namespace mtlspop
