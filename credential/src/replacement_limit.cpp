#include "replacement_limit.hpp"

#include <iterator>

namespace mtlspop {

ReplacementLimit::State::State(State* parents) {
  if (parents == nullptr) return;
  std::unique_lock<std::mutex> const lock{parents->Mutex, std::try_to_lock};
  if (!lock) return;
  X5tS256 = parents->X5tS256;
  Replaced = parents->Replaced;
}

ReplacementLimit::Verdict ReplacementLimit::Hear(std::string const& x5tS256, Clock::SteadyTime now) {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  if (!state.Replaced || now - *state.Replaced >= Interval) {
    state.Replaced = now;
    state.X5tS256 = x5tS256;
    return Verdict::Replace;
  }
  return x5tS256 == state.X5tS256 && now - *state.Replaced < Grace ? Verdict::UnderWay : Verdict::TooSoon;
}

bool FutileReplacements::Concern(std::string const& tenant, Clock::SteadyTime now) {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  for (auto entry = state.Until.begin(); entry != state.Until.end();) {
    entry = now >= entry->second ? state.Until.erase(entry) : std::next(entry);
  }
  return state.Until.count(tenant) != 0 || (!tenant.empty() && state.Until.size() >= Most);
}

void FutileReplacements::Add(std::string const& tenant, Clock::SteadyTime now) {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  state.Until[tenant] = now + ReplacementLimit::Interval;
}

}  // namespace mtlspop
