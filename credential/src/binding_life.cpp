#include "binding_life.hpp"

#include <algorithm>
#include <exception>
#include <iterator>

namespace mtlspop {
namespace {

/// Refused bindings that are remembered, for tokens that are under way with them.
constexpr std::ptrdiff_t MostRefused = 64;

}  // namespace

BindingStep Follow(BindingState state, BindingEvent event, BindingSupply supply) noexcept {
  bool const isCurrent = state == BindingState::Current;
  switch (event) {
    case BindingEvent::Adopted:
      return {BindingState::Current};
    case BindingEvent::Replaced:
      return {isCurrent ? BindingState::Superseded : state};
    case BindingEvent::Refused:
      if (state == BindingState::Refused) return {state};
      // A new connection and a new token are all that can help where there is no other binding.
      if (isCurrent && supply == BindingSupply::Fixed) return {state, DroppedTokens::All, true};
      return {BindingState::Refused, DroppedTokens::All, true};
    case BindingEvent::RefusedForTenant:
      if (supply == BindingSupply::Fixed) return {state, DroppedTokens::OfTheTenant};
      return {isCurrent ? BindingState::Superseded : state, DroppedTokens::OfTheTenant};
    case BindingEvent::TokenCame:
      if (state == BindingState::Refused) return {state, DroppedTokens::All};
      return {state == BindingState::Gone ? BindingState::Superseded : state};
    case BindingEvent::LastTokenLeft:
      break;
  }
  if (state == BindingState::Superseded) return {BindingState::Gone, DroppedTokens::None, true};
  return {state};
}

BindingLife::State::State(State* parents) {
  if (parents == nullptr) return;
  std::unique_lock<std::mutex> const lock{parents->Mutex, std::try_to_lock};
  if (!lock) return;
  Known = parents->Known;
  RefusedByResource = parents->RefusedByResource;
  RefusedOn = parents->RefusedOn;
  BelievesFrom = parents->BelievesFrom;
}

BindingState BindingLife::StateOf(State const& state, std::string_view x5tS256) noexcept {
  for (auto const& [known, binding] : state.Known) {
    if (known == x5tS256) return binding;
  }
  return BindingState::Gone;
}

void BindingLife::SetState(State& state, std::string const& x5tS256, BindingState next) {
  if (StateOf(state, x5tS256) == next) return;
  auto const isSame = [&x5tS256](auto const& known) { return known.first == x5tS256; };
  state.Known.reserve(state.Known.size() + 1);
  state.Known.erase(std::remove_if(state.Known.begin(), state.Known.end(), isSame), state.Known.end());
  if (next != BindingState::Gone) state.Known.emplace_back(x5tS256, next);
  auto const isRefused = [](auto const& known) { return known.second == BindingState::Refused; };
  if (std::count_if(state.Known.begin(), state.Known.end(), isRefused) > MostRefused) {
    state.Known.erase(std::find_if(state.Known.begin(), state.Known.end(), isRefused));
  }
}

/// With the lock held.
void BindingLife::Happen(
    State& state,
    std::string const& x5tS256,
    BindingEvent event,
    Drops& drops,
    std::optional<std::string_view> tenantId) {
  auto const before = StateOf(state, x5tS256);
  auto const step = Follow(before, event, options_.Supply);
  if (step.DropsConnections) drops.push_back(x5tS256);
  SetState(state, x5tS256, step.Next);
  if (before == BindingState::Current && step.Next != before && event != BindingEvent::Replaced) {
    state.LastRefusal = ++state.Moment;
  }
  // After the state: whatever fails now, the binding is not given out again.
  if (step.Tokens == DroppedTokens::All) cache_.DropBinding(x5tS256);
  if (step.Tokens == DroppedTokens::OfTheTenant) cache_.DropBinding(x5tS256, tenantId);
}

/// With the lock held: superseded bindings are gone when the last token that is bound to them is.
void BindingLife::LetUnusedGo(State& state, Drops& drops) {
  std::vector<std::string> unused;
  for (auto const& [x5tS256, binding] : state.Known) {
    if (binding == BindingState::Superseded && !cache_.Holds(x5tS256)) unused.push_back(x5tS256);
  }
  for (auto const& x5tS256 : unused) Happen(state, x5tS256, BindingEvent::LastTokenLeft, drops);
}

void BindingLife::Drop(Drops const& drops) const {
  for (auto const& x5tS256 : drops) options_.DropConnections(x5tS256);
}

bool BindingLife::IsCurrent(std::string_view x5tS256) const {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  return StateOf(state, x5tS256) == BindingState::Current;
}

bool BindingLife::IsRefused(std::string_view x5tS256) const {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  return StateOf(state, x5tS256) == BindingState::Refused;
}

std::uint64_t BindingLife::Moment() const {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  return state.Moment;
}

void BindingLife::AdoptLocked(State& state, std::string const& x5tS256, Drops& drops) {
  if (StateOf(state, x5tS256) == BindingState::Current) return;
  auto const current = std::find_if(
      state.Known.begin(), state.Known.end(), [](auto const& known) { return known.second == BindingState::Current; });
  if (current != state.Known.end()) {
    auto const replaced = current->first;
    Happen(state, replaced, BindingEvent::Replaced, drops);
  }
  Happen(state, x5tS256, BindingEvent::Adopted, drops);
  state.LastAdoption = ++state.Moment;
  cache_.PreferBinding(x5tS256, options_.Time.Now());
  LetUnusedGo(state, drops);
}

void BindingLife::Adopt(std::string const& x5tS256) {
  auto& state = state_.Get();
  Drops drops;
  {
    std::lock_guard<std::mutex> const lock{state.Mutex};
    AdoptLocked(state, x5tS256, drops);
  }
  Drop(drops);
}

bool BindingLife::AdoptUnlessRefusedSince(std::uint64_t moment, std::string const& x5tS256) {
  auto& state = state_.Get();
  Drops drops;
  {
    std::lock_guard<std::mutex> const lock{state.Mutex};
    if (state.LastRefusal > moment) return false;
    if (state.LastAdoption <= moment) AdoptLocked(state, x5tS256, drops);
  }
  Drop(drops);
  return true;
}

void BindingLife::Keep(TokenRequest const& request, TokenRoute route, AccessToken const& token) {
  auto const now = options_.Time.Now();
  auto& state = state_.Get();
  Drops drops;
  {
    std::lock_guard<std::mutex> const lock{state.Mutex};
    if (token.Binding) {
      auto const& x5tS256 = token.Binding->X5tS256();
      Happen(state, x5tS256, BindingEvent::TokenCame, drops);
      if (StateOf(state, x5tS256) == BindingState::Refused) return;
    }
    cache_.Put(request, route, token, now);
    LetUnusedGo(state, drops);
  }
  Drop(drops);
}

/// With the lock held: what a resource's refusal of the current binding is good for.
BindingLife::Verdict BindingLife::Judge(State& state, std::string const& x5tS256) {
  auto const now = options_.Time.SteadyNow();
  if (!state.RefusedOn || now >= state.BelievesFrom) {
    state.BelievesFrom = now + WithJitter(Interval, options_.Random);
    state.RefusedByResource = x5tS256;
    state.RefusedOn = now;
    return Verdict::Believed;
  }
  return x5tS256 == state.RefusedByResource && now - *state.RefusedOn < Grace ? Verdict::UnderWay : Verdict::TooSoon;
}

bool BindingLife::Hear(AccessToken const& refused, RefusalReason reason) noexcept {
  try {
    if (reason == RefusalReason::TokenRejected || !refused.Binding) {
      ForgetToken(refused.Token);
      return false;
    }
    auto const& x5tS256 = refused.Binding->X5tS256();
    auto const verdict = HearResource(x5tS256);
    if (verdict == Verdict::TooSoon) {
      options_.Observer.Tell(Severity::Warning, "binding.refused_again", {{"x5t_s256", x5tS256}});
    }
    return verdict == Verdict::Believed;
  } catch (std::exception const& exception) {
    options_.Observer.Tell(Severity::Warning, "binding.refusal_not_heard", {{"what", exception.what()}});
    return false;
  }
}

void BindingLife::ForgetToken(Secret const& token) {
  auto& state = state_.Get();
  Drops drops;
  {
    std::lock_guard<std::mutex> const lock{state.Mutex};
    cache_.DropToken(token);
    LetUnusedGo(state, drops);
  }
  Drop(drops);
}

BindingLife::Verdict BindingLife::HearResource(std::string const& x5tS256) {
  auto& state = state_.Get();
  Drops drops;
  auto verdict = Verdict::NotCurrent;
  {
    std::lock_guard<std::mutex> const lock{state.Mutex};
    if (StateOf(state, x5tS256) == BindingState::Current) verdict = Judge(state, x5tS256);
    if (verdict == Verdict::NotCurrent || verdict == Verdict::Believed) {
      Happen(state, x5tS256, BindingEvent::Refused, drops);
    }
  }
  Drop(drops);
  return verdict;
}

void BindingLife::HearTokenService(std::string const& x5tS256, std::optional<std::string_view> tenantId) {
  auto& state = state_.Get();
  Drops drops;
  {
    std::lock_guard<std::mutex> const lock{state.Mutex};
    auto const event = tenantId ? BindingEvent::RefusedForTenant : BindingEvent::Refused;
    Happen(state, x5tS256, event, drops, tenantId);
    LetUnusedGo(state, drops);
  }
  Drop(drops);
}

bool BindingLife::ReplacementIsFutile(std::string const& tenantId) {
  auto const now = options_.Time.SteadyNow();
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  auto& until = state.FutileUntil;
  for (auto entry = until.begin(); entry != until.end();) {
    entry = now >= entry->second ? until.erase(entry) : std::next(entry);
  }
  return until.count(tenantId) != 0 || (!tenantId.empty() && until.size() >= MostFutileTenants);
}

void BindingLife::NoteFutileReplacement(std::string const& tenantId) {
  auto const until = options_.Time.SteadyNow() + WithJitter(Interval, options_.Random);
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  state.FutileUntil[tenantId] = until;
}

}  // namespace mtlspop
