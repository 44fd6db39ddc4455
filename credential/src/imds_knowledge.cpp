#include "imds_knowledge.hpp"

#include <algorithm>
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

bool IsOwnEnd(Error const& error, Context const& context) noexcept {
  return context.IsCancelled() || context.IsExpired() ||
         (error.Code() != errors::Cancelled && error.Code() != errors::DeadlineExceeded);
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
  Version = parents->Version;
  BelievedUntil = parents->BelievedUntil;
  Refused = parents->Refused;
  ResourceIdName = parents->ResourceIdName;
  IsResourceIdNameConfirmed = parents->IsResourceIdNameConfirmed;
}

ImdsVersion ImdsKnowledge::GetVersion(Sources const& sources, Context const& context, Probe const& probe) {
  for (;;) {
    std::optional<ImdsVersion> version;
    auto const flight = Join(sources.Time, version);
    if (version) return *version;
    if (!flight) return Ask(sources, context, probe);
    try {
      return flight->Wait(context, Waiting);
    } catch (Error const& error) {
      // Whoever probed gave up, which says nothing of the service.
      if (IsOwnEnd(error, context)) throw;
    }
  }
}

std::shared_ptr<Flight<ImdsVersion>> ImdsKnowledge::Join(Clock const& clock, std::optional<ImdsVersion>& version) {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  bool const believes =
      state.Version == ImdsVersion::V2 || (state.Version == ImdsVersion::V1 && clock.SteadyNow() < state.BelievedUntil);
  if (believes) version = state.Version;
  if (believes || state.UnderWay) return state.UnderWay;
  state.UnderWay = std::make_shared<Flight<ImdsVersion>>();
  return nullptr;
}

ImdsVersion ImdsKnowledge::Ask(Sources const& sources, Context const& context, Probe const& probe) {
  auto& state = state_.Get();
  auto const land = [&state](std::optional<ImdsVersion> version, Clock::SteadyTime believedUntil) {
    std::lock_guard<std::mutex> const lock{state.Mutex};
    if (version) state.Version = *version;
    state.BelievedUntil = believedUntil;
    return std::exchange(state.UnderWay, nullptr);
  };
  try {
    auto const version = probe(context);
    auto until = sources.Time.SteadyNow();
    if (version == ImdsVersion::V1) until += WithJitter(BelievesV1, sources.Random);
    land(version, until)->Complete(version);
    return version;
  } catch (...) {
    auto failure = Failure::Current();
    land(std::nullopt, sources.Time.SteadyNow())->Fail(failure);
    failure.Throw();
  }
}

void ImdsKnowledge::ForgetVersion() {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  state.Version = ImdsVersion::Unknown;
}

void ImdsKnowledge::NoteStrength(KeyStrength strength, bool isAccepted) {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  if (!isAccepted) {
    state.Refused = std::max(state.Refused, strength);
  } else if (strength <= state.Refused) {
    state.Refused = KeyStrength::None;
  }
}

KeyStrength ImdsKnowledge::RefusedStrength() const {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  return state.Refused;
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
