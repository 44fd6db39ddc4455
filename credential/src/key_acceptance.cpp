#include "key_acceptance.hpp"

#include <algorithm>
#include <map>

namespace mtlspop {
namespace {

struct Registry {
  /// A child of fork() goes on with its parent's, so that it and the credentials that its parent made know the same.
  explicit Registry(Registry* parents) {
    if (parents == nullptr) return;
    std::unique_lock<std::mutex> const lock{parents->Mutex, std::try_to_lock};
    if (lock) ByEndpoint = parents->ByEndpoint;
  }

  std::mutex Mutex;
  /// For as long as the process lives: there are no more of them than addresses in its configuration.
  std::map<std::string, std::shared_ptr<KeyAcceptance>> ByEndpoint;
};

Registry& TheRegistry() {
  // Never destroyed: credentials of static duration may outlive it.
  static auto* const registry = new PerProcess<Registry>;
  return registry->Get();
}

}  // namespace

std::shared_ptr<KeyAcceptance> KeyAcceptance::Of(std::string const& endpoint) {
  auto& registry = TheRegistry();
  std::lock_guard<std::mutex> const lock{registry.Mutex};
  auto& known = registry.ByEndpoint[endpoint];
  if (!known) known = std::make_shared<KeyAcceptance>();
  return known;
}

KeyAcceptance::State::State(State* parents) {
  if (parents == nullptr) return;
  std::unique_lock<std::mutex> const lock{parents->Mutex, std::try_to_lock};
  if (!lock) return;
  Refused = parents->Refused;
  Accepted = parents->Accepted;
}

void KeyAcceptance::Note(KeyStrength strength, bool isAccepted) {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  if (isAccepted) {
    bool const isWeakest = state.Accepted == KeyStrength::None || strength < state.Accepted;
    if (isWeakest) state.Accepted = strength;
    if (strength <= state.Refused) state.Refused = KeyStrength::None;
  } else {
    state.Refused = std::max(state.Refused, strength);
    if (state.Accepted <= strength) state.Accepted = KeyStrength::None;
  }
}

KeyAcceptance::Verdict KeyAcceptance::Judge(KeyStrength strength) const {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  if (strength <= state.Refused) return Verdict::Refused;
  bool const wasAccepted = state.Accepted != KeyStrength::None && strength >= state.Accepted;
  return wasAccepted || strength == KeyStrength::KeyGuard ? Verdict::Accepted : Verdict::NotTried;
}

}  // namespace mtlspop
