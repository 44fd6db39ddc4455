#include "imds_knowledge.hpp"

#include <map>
#include <utility>

#include "mtlspop/credential/errors.hpp"

namespace mtlspop {
namespace {

constexpr char const* Waiting = "Waiting for the probe of the instance metadata service";

struct Known {
  std::weak_ptr<HttpTransport> Transport;
  std::shared_ptr<ImdsKnowledge> Knowledge;
};

struct Registry {
  /// A child of fork() begins with an empty one; credentials that its parent made keep what they have.
  explicit Registry(Registry*) {}
  std::mutex Mutex;
  std::multimap<std::string, Known> ByEndpoint;
};

Registry& TheRegistry() {
  // Never destroyed: credentials of static duration may outlive it.
  static auto* const registry = new PerProcess<Registry>;
  return registry->Get();
}

}  // namespace

std::shared_ptr<ImdsKnowledge> ImdsKnowledge::Of(
    std::shared_ptr<HttpTransport> const& transport, std::string const& endpoint) {
  auto& registry = TheRegistry();
  std::lock_guard<std::mutex> const lock{registry.Mutex};
  auto& known = registry.ByEndpoint;
  for (auto entry = known.begin(); entry != known.end();) {
    entry = entry->second.Transport.expired() ? known.erase(entry) : std::next(entry);
  }
  auto const [first, last] = known.equal_range(endpoint);
  for (auto entry = first; entry != last; ++entry) {
    if (entry->second.Transport.lock() == transport) return entry->second.Knowledge;
  }
  auto knowledge = std::make_shared<ImdsKnowledge>();
  known.emplace(endpoint, Known{transport, knowledge});
  return knowledge;
}

ImdsKnowledge::State::State(State* parents) {
  if (parents == nullptr) return;
  std::unique_lock<std::mutex> const lock{parents->Mutex, std::try_to_lock};
  if (!lock) return;
  Known = parents->Known;
  BelievedUntil = parents->BelievedUntil;
  SomebodyUntil = parents->SomebodyUntil;
  HasFailed = parents->HasFailed;
  ResourceIdName = parents->ResourceIdName;
  IsResourceIdNameConfirmed = parents->IsResourceIdNameConfirmed;
}

ImdsFinding ImdsKnowledge::Find(Sources const& sources, Context const& context, Probe const& probe) {
  for (;;) {
    std::optional<ImdsFinding> known;
    auto const flight = Join(sources.Time, known);
    if (!known && !flight) return Ask(sources, context, probe);
    try {
      auto finding = known ? std::move(*known) : flight->Wait(context, Waiting);
      finding.Attempts = 0;
      return finding;
    } catch (Error const& error) {
      if (!IsOthersEnd(error, context)) throw;
    }
  }
}

std::shared_ptr<Flight<ImdsFinding>> ImdsKnowledge::Join(Clock const& clock, std::optional<ImdsFinding>& known) {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  auto const version = state.Known.Version;
  bool const believes =
      version == ImdsVersion::V2 || (version == ImdsVersion::V1 && clock.SteadyNow() < state.BelievedUntil);
  if (believes) known = state.Known;
  if (believes || state.UnderWay) return state.UnderWay;
  state.UnderWay = std::make_shared<Flight<ImdsFinding>>();
  return nullptr;
}

ImdsFinding ImdsKnowledge::Ask(Sources const& sources, Context const& context, Probe const& probe) {
  auto& state = state_.Get();
  // What is told is copied before anything is changed: without memory for it, the probe has failed.
  auto const land =
      [&state](ImdsFinding known, std::optional<Clock::SteadyTime> somebodyUntil, Clock::SteadyTime believedUntil) {
        std::lock_guard<std::mutex> const lock{state.Mutex};
        state.Known = std::move(known);
        state.BelievedUntil = believedUntil;
        state.SomebodyUntil = somebodyUntil;
        state.HasFailed = !somebodyUntil;
        return std::exchange(state.UnderWay, nullptr);
      };
  std::shared_ptr<Flight<ImdsFinding>> flight;
  try {
    auto finding = probe(context);
    auto told = finding;
    auto known = finding.Version == ImdsVersion::Unknown ? ImdsFinding{} : finding;
    auto const now = sources.Time.SteadyNow();
    auto believedUntil = now;
    if (finding.Version == ImdsVersion::V1) believedUntil += WithJitter(BelievesV1, sources.Random);
    flight = land(std::move(known), now + BelievesSomebody, believedUntil);
    flight->Complete(std::move(told));
    return finding;
  } catch (...) {
    auto failure = Failure::Current();
    if (!flight) flight = land({}, std::nullopt, sources.Time.SteadyNow());
    flight->Fail(failure);
    failure.Throw();
  }
}

bool ImdsKnowledge::HasHeardOfSomebody(Clock const& clock) const {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  return state.SomebodyUntil && clock.SteadyNow() < *state.SomebodyUntil;
}

bool ImdsKnowledge::HasFailed() const {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  return state.HasFailed;
}

void ImdsKnowledge::ForgetVersion() {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  state.Known = {};
  state.SomebodyUntil = std::nullopt;
}

std::string ImdsKnowledge::ResourceIdName() const {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  return state.ResourceIdName;
}

bool ImdsKnowledge::IsResourceIdNameConfirmed() const {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  return state.IsResourceIdNameConfirmed;
}

void ImdsKnowledge::ConfirmResourceIdName(std::string const& name) {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  state.ResourceIdName = name;
  state.IsResourceIdNameConfirmed = true;
}

}  // namespace mtlspop
