#include "cached_tokens.hpp"

#include <algorithm>
#include <utility>

#include "mtlspop/transport/out_of_memory.hpp"
#include "token_times.hpp"

namespace mtlspop {
namespace {

constexpr char const* GettingAToken = "Getting a token";
/// How long work may take in all, with all retries: IMDS may answer 410 for 70 seconds, twice. What hangs ends then, and
/// its reason reaches whoever joined it later.
constexpr std::chrono::minutes FetchTimeout{5};

/// Claims go first, since they alone may hold any character.
std::string FlightKey(TokenRequest const& request, TokenRoute route) {
  std::string key = request.Claims;
  key.append(1, '\0').append(std::to_string(static_cast<int>(route))).append(1, '\0').append(request.TenantId);
  for (auto const& scope : request.Scopes) key.append(1, '\0').append(scope);
  return key;
}

/// What a request of this library's credentials asks for: exactly one, but for one that is refused.
std::string_view ScopeOf(TokenRequest const& request) noexcept {
  return request.Scopes.empty() ? std::string_view{} : std::string_view{request.Scopes.front()};
}

bool EndedByCaller(Error const& error, Context const& context) noexcept {
  return error.Code() == errors::Cancelled || context.IsCancelled() || context.IsExpired();
}

}  // namespace

CachedTokens::CachedTokens(
    gsl::not_null<std::shared_ptr<Clock>> clock, EventSink observer, TokenCache& cache, BindingLife& life, Fetch fetch)
    : ownedClock_(std::move(clock)),
      clock_(ownedClock_.get()),
      observer_(std::move(observer)),
      fetch_(std::move(fetch)),
      cache_(cache),
      life_(life) {}

AccessToken CachedTokens::Get(TokenRequest const& request, TokenRoute route, Context const& context) {
  AccessToken token;
  auto const found = Look(request, route, token);
  if (found == Found::Good) return token;
  context.ThrowIfEnded(GettingAToken);
  auto const wait = [&] { return JoinFlight(request, route, false)->Wait(context, GettingAToken); };
  if (found == Found::Nothing) return wait();
  return NewOrStale(OutcomeOf(wait), request, route, context);
}

void CachedTokens::GetAsync(
    TokenRequest const& request, TokenRoute route, Context const& context, Completion<AccessToken> done) {
  AccessToken token;
  auto const found = Look(request, route, token);
  if (found == Found::Good) {
    return DefaultExecutor()([token = std::move(token), done = std::move(done)]() mutable { done(std::move(token)); });
  }
  context.ThrowIfEnded(GettingAToken);
  auto const flight = JoinFlight(request, route, false);
  if (found == Found::Nothing) return TokenFlight::WaitAsync(flight, context, GettingAToken, std::move(done));
  TokenFlight::WaitAsync(
      flight, context, GettingAToken,
      [this, request, route, context, done = std::move(done)](Outcome<AccessToken> outcome) {
        done(OutcomeOf(
            [&] { return OrOutOfMemory([&] { return NewOrStale(std::move(outcome), request, route, context); }); }));
      });
}

bool CachedTokens::IsAtHand(TokenRequest const& request, TokenRoute route, AccessToken& token) {
  return Look(request, route, token) == Found::Good;
}

CachedTokens::Found CachedTokens::Look(TokenRequest const& request, TokenRoute route, AccessToken& token) {
  if (!request.Claims.empty()) return Found::Nothing;
  switch (cache_.Find(request, route, clock_->Now(), token)) {
    case Freshness::Fresh:
      return Found::Good;
    case Freshness::RefreshDue:
      StartRefresh(request, route);
      return Found::Good;
    case Freshness::Stale:
      return Found::Stale;
    case Freshness::StaleAndTried:
      return FindFlight(request, route) ? Found::Stale : Found::Good;
    case Freshness::None:
      break;
  }
  return Found::Nothing;
}

bool CachedTokens::TryGet(TokenRequest const& request, TokenRoute route, AccessToken& token) {
  if (!request.Claims.empty()) return false;
  switch (cache_.Find(request, route, clock_->Now(), token)) {
    case Freshness::RefreshDue:
      StartRefresh(request, route);
      return true;
    case Freshness::Fresh:
    case Freshness::StaleAndTried:
      return true;
    case Freshness::Stale:
    case Freshness::None:
      break;
  }
  return false;
}

void CachedTokens::StartRefresh(TokenRequest const& request, TokenRoute route) {
  try {
    JoinFlight(request, route, true);
  } catch (Error const& exception) {
    // No thread or memory to be had just now. The token is good; a later call tries again.
    observer_.Tell(Severity::Warning, "token.refresh_not_started", {{"what", exception.what()}});
  }
}

AccessToken CachedTokens::NewOrStale(
    Outcome<AccessToken> outcome, TokenRequest const& request, TokenRoute route, Context const& context) {
  try {
    return std::move(outcome).Take();
  } catch (Error const& error) {
    return StaleOrRethrow(error, request, route, context);
  }
}

AccessToken CachedTokens::StaleOrRethrow(
    Error const& error, TokenRequest const& request, TokenRoute route, Context const& context) {
  if (EndedByCaller(error, context)) throw;
  auto const now = clock_->Now();
  AccessToken stale;
  // It, or another that came meanwhile; none where it was refused meanwhile.
  if (cache_.Find(request, route, now, stale) == Freshness::None) throw;
  bool const lives = now < stale.ExpiresOn && (!stale.Binding || stale.Binding->IsValidAt(now));
  if (!lives || (stale.Binding && life_.IsRefused(stale.Binding->X5tS256()))) throw;
  observer_.Tell(
      Severity::Warning, "token.served_close_to_expiry", {{"error", error.Code().Name()}, {"what", error.what()}});
  return stale;
}

void CachedTokens::RunInBackground(Worker::Job job) {
  worker_.Run([this, job = std::move(job)](Context const& context) {
    job(context.WithTimeout(FetchTimeout));
    observer_.Tell(Severity::Debug, "background.ended");
  });
  observer_.Tell(Severity::Debug, "background.begun");
}

std::shared_ptr<CachedTokens::TokenFlight> CachedTokens::FindFlight(
    TokenRequest const& request, TokenRoute route) const {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  auto const found = state.Flights.find(FlightKey(request, route));
  return found == state.Flights.end() ? nullptr : found->second;
}

std::shared_ptr<CachedTokens::TokenFlight> CachedTokens::JoinFlight(
    TokenRequest const& request, TokenRoute route, bool isRefresh) {
  auto key = FlightKey(request, route);
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  auto& flight = state.Flights[key];
  if (flight) return flight;
  flight = std::make_shared<TokenFlight>();
  auto const started = flight;
  if (AccessToken token; !isRefresh && HasLanded(request, route, token)) {
    state.Flights.erase(key);
    started->Complete(std::move(token));
    return started;
  }
  try {
    RunInBackground([this, key, request, route, isRefresh, started](Context const& context) {
      Fly(key, request, route, isRefresh, started, context);
    });
  } catch (std::exception const& exception) {
    state.Flights.erase(key);
    throw Error{
        {errors::SystemFailure, std::string{"No thread could be had to get a token: "} + exception.what(),
         "Raise the process's limits of threads and memory"}};
  }
  return started;
}

bool CachedTokens::HasLanded(TokenRequest const& request, TokenRoute route, AccessToken& token) const {
  if (!request.Claims.empty()) return false;
  auto const freshness = cache_.Find(request, route, clock_->Now(), token);
  return freshness == Freshness::Fresh || freshness == Freshness::RefreshDue;
}

void CachedTokens::Fly(
    std::string const& key,
    TokenRequest const& request,
    TokenRoute route,
    bool isRefresh,
    std::shared_ptr<TokenFlight> const& flight,
    Context const& context) {
  Progress::Scope const reports{flight->Steps()};
  auto const begun = clock_->SteadyNow();
  try {
    auto token = FetchUsable(request, route, isRefresh, context);
    TellObtained(token, request, begun);
    life_.Keep(request, route, token);
    Land(key, flight);
    flight->Complete(std::move(token));
  } catch (...) {
    auto failure = Failure::Current();
    cache_.NoteFailedRefresh(request, route, clock_->Now(), failure.Outermost().NotBefore);
    Land(key, flight);
    TellFailed(failure.Outermost(), request, isRefresh);
    flight->Fail(std::move(failure));
  }
}

void CachedTokens::TellObtained(AccessToken const& token, TokenRequest const& request, Clock::SteadyTime begun) const {
  if (!observer_.IsEnabled(Severity::Info)) return;
  auto const now = clock_->Now();
  observer_.Tell(
      Severity::Info, "token.obtained",
      {{"type", ToString(token.Type)},
       {"scope", ScopeOf(request)},
       {"tenant", request.TenantId},
       {"fallback", token.Source == TokenSource::Fallback},
       {"lifetime_seconds", std::chrono::duration_cast<std::chrono::seconds>(token.ExpiresOn - now).count()},
       {"duration_ms", std::chrono::duration_cast<std::chrono::milliseconds>(clock_->SteadyNow() - begun).count()},
       {"x5t_s256", token.Binding ? std::string_view{token.Binding->X5tS256()} : std::string_view{}},
       {"days_left", token.Binding ? DaysLeft(*token.Binding, now) : std::int64_t{-1}},
       {"correlation_id", token.CorrelationId ? std::string_view{*token.CorrelationId} : std::string_view{}}});
}

void CachedTokens::TellFailed(ErrorDetails const& details, TokenRequest const& request, bool isRefresh) const noexcept {
  if (details.Code == errors::Cancelled) return;
  if (isRefresh) {
    observer_.Tell(
        Severity::Warning, "token.refresh_failed",
        {{"error", details.Code.Name()},
         {"what", details.What},
         {"scope", ScopeOf(request)},
         {"tenant", request.TenantId},
         {"correlation_id", details.CorrelationId}});
  } else {
    observer_.Tell(
        Severity::Warning, "token.failed",
        {{"error", details.Code.Name()},
         {"what", details.What},
         {"scope", ScopeOf(request)},
         {"tenant", request.TenantId},
         {"service_error", details.ServiceErrorCode},
         {"correlation_id", details.CorrelationId}});
  }
}

AccessToken CachedTokens::FetchUsable(
    TokenRequest const& request, TokenRoute route, bool isRefresh, Context const& context) {
  auto token = fetch_(request, route, isRefresh, context);
  // Somebody may have found the binding refused while the token was under way.
  if (!token.Binding || !life_.IsRefused(token.Binding->X5tS256())) return token;
  return fetch_(request, route, isRefresh, context);
}

void CachedTokens::Land(std::string const& key, std::shared_ptr<TokenFlight> const& flight) {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  auto const found = state.Flights.find(key);
  if (found != state.Flights.end() && found->second == flight) state.Flights.erase(found);
}

}  // namespace mtlspop
