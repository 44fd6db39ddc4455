#include "ineligible_tenants.hpp"

#include <iterator>

namespace mtlspop {

void IneligibleTenants::Add(std::string const& tenant, Clock::SteadyTime now) {
  auto const until = now + WithJitter(Believed, random_);
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  for (auto entry = state.Until.begin(); entry != state.Until.end();) {
    entry = now >= entry->second ? state.Until.erase(entry) : std::next(entry);
  }
  state.Until[tenant] = until;
}

bool IneligibleTenants::Contain(std::string const& tenant, Clock::SteadyTime now) const {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  auto const found = state.Until.find(tenant);
  return found != state.Until.end() && now < found->second;
}

}  // namespace mtlspop
