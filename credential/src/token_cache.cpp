#include "token_cache.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace mtlspop {
namespace {

using std::chrono::system_clock;

constexpr std::size_t MostEntries = 4096;

std::size_t HashOf(TokenRequest const& request, TokenRoute route) noexcept {
  std::hash<std::string_view> const hash;
  auto value = static_cast<std::size_t>(route) + 1;
  auto const mix = [&value](std::size_t part) { value = value * 0x9E3779B97F4A7C15ULL + part; };
  mix(hash(request.TenantId));
  for (auto const& scope : request.Scopes) mix(hash(scope));
  return value;
}

/// What one slot's copies keep alive, with one reference count for both; a cache line of its own.
struct alignas(64) Kept {
  std::shared_ptr<BindingCertificate const> Binding;
  std::string CorrelationId;
};

/// A copy of `token` that shares no reference count with it.
AccessToken CopyApart(AccessToken const& token) {
  AccessToken copy = token;
  copy.Token = Secret{token.Token.Reveal()};
  auto kept = std::make_shared<Kept>();
  kept->Binding = token.Binding;
  if (token.CorrelationId) kept->CorrelationId = *token.CorrelationId;
  copy.Binding = token.Binding ? std::shared_ptr<BindingCertificate const>{kept, token.Binding.get()} : nullptr;
  copy.CorrelationId = std::shared_ptr<std::string const>{kept, &kept->CorrelationId};
  if (copy.Source == TokenSource::Service) copy.Source = TokenSource::Cache;
  return copy;
}

std::vector<AccessToken> CopyForEachSlot(AccessToken const& token) {
  std::vector<AccessToken> copies;
  copies.reserve(ReaderSlots());
  while (copies.size() < ReaderSlots()) copies.push_back(CopyApart(token));
  return copies;
}

/// How long a caller who was told to refresh a token that has `left` to live has for it, before another one is told so.
system_clock::duration RefreshLease(system_clock::duration left) noexcept {
  return std::clamp<system_clock::duration>(left / 8, std::chrono::milliseconds{100}, std::chrono::seconds{30});
}

}  // namespace

struct TokenCache::Entry {
  Entry(TokenRequest const& request, TokenRoute route, AccessToken const& token, TimePoint now)
      : Hash(HashOf(request, route)),
        Scopes(request.Scopes),
        TenantId(request.TenantId),
        Route(route),
        Copies(CopyForEachSlot(token)),
        UsableUntil(token.ExpiresOn),
        FreshUntil(token.ExpiresOn - UsableMargin(token.ExpiresOn - now)),
        RefreshOn(std::min(token.RefreshOn, FreshUntil)) {
    if (!token.Binding) return;
    auto const end = token.Binding->NotAfter();
    UsableUntil = std::min(UsableUntil, end);
    FreshUntil = std::min(FreshUntil, end - UsableMargin(end - now));
    RefreshOn = std::min(RefreshOn, FreshUntil);
  }
  /// The same token, to be refreshed from `refreshOn` on.
  Entry(Entry const& other, TimePoint refreshOn)
      : Hash(other.Hash),
        Scopes(other.Scopes),
        TenantId(other.TenantId),
        Route(other.Route),
        Copies(other.Copies),
        UsableUntil(other.UsableUntil),
        FreshUntil(other.FreshUntil),
        RefreshOn(refreshOn) {}

  bool IsFor(TokenRequest const& request, TokenRoute route) const noexcept {
    return Route == route && TenantId == request.TenantId && Scopes == request.Scopes;
  }
  BindingCertificate const* Binding() const noexcept { return Copies.front().Binding.get(); }

  /// Whether this caller is the one to get a new token now.
  bool ClaimRefresh(TimePoint now) const noexcept {
    auto const time = now.time_since_epoch().count();
    auto next = NextTry.load(std::memory_order_relaxed);
    auto const after = time + RefreshLease(UsableUntil - now).count();
    return time >= next && NextTry.compare_exchange_strong(next, after, std::memory_order_relaxed);
  }

  std::size_t Hash;
  std::vector<std::string> Scopes;
  std::string TenantId;
  TokenRoute Route;
  /// One for each slot.
  std::vector<AccessToken> Copies;
  TimePoint UsableUntil;
  TimePoint FreshUntil;
  TimePoint RefreshOn;
  /// Ticks of the system clock before which nobody tries to get a new token.
  mutable std::atomic<system_clock::rep> NextTry{0};
  mutable std::atomic<int> FailedRefreshes{0};
};

TokenCache::TokenCache(RandomNumbers random)
    : random_(std::move(random)), entries_(std::make_unique<Entries const>()) {}

TokenCache::Entry const* TokenCache::FindEntry(
    Entries const& entries, TokenRequest const& request, TokenRoute route, std::size_t hash) {
  auto entry = std::lower_bound(
      entries.begin(), entries.end(), hash, [](auto const& left, std::size_t right) { return left->Hash < right; });
  for (; entry != entries.end() && (*entry)->Hash == hash; ++entry) {
    if ((*entry)->IsFor(request, route)) return entry->get();
  }
  return nullptr;
}

Freshness TokenCache::Find(TokenRequest const& request, TokenRoute route, TimePoint now, AccessToken& token) const {
  auto const hash = HashOf(request, route);
  return entries_.Read([&](Entries const& entries, std::size_t slot) {
    auto const* const entry = FindEntry(entries, request, route, hash);
    if (entry == nullptr || now >= entry->UsableUntil) return Freshness::None;
    token = entry->Copies[slot];
    if (now < entry->RefreshOn) return Freshness::Fresh;
    if (now < entry->FreshUntil) return entry->ClaimRefresh(now) ? Freshness::RefreshDue : Freshness::Fresh;
    return now.time_since_epoch().count() < entry->NextTry.load(std::memory_order_relaxed) ? Freshness::StaleAndTried
                                                                                           : Freshness::Stale;
  });
}

void TokenCache::Put(TokenRequest const& request, TokenRoute route, AccessToken const& token, TimePoint now) {
  auto added = std::make_shared<Entry>(request, route, token, now);
  std::lock_guard<std::mutex> const lock{writing_.Get().Mutex};
  // One that has ended meanwhile is none: after an outage a whole fleet may be in that place.
  auto const* const before = FindEntry(entries_.Value(), request, route, added->Hash);
  bool const isNext = before != nullptr && now < before->UsableUntil;
  added->RefreshOn =
      ScheduleRefresh(now, added->RefreshOn, added->FreshUntil, isNext ? Renewal::Next : Renewal::First, random_);
  Entries entries;
  entries.reserve(entries_.Value().size() + 1);
  for (auto const& entry : entries_.Value()) {
    if (now < entry->UsableUntil && !entry->IsFor(request, route)) entries.push_back(entry);
  }
  if (entries.size() >= MostEntries) {
    auto const bySoonestEnd = [](auto const& left, auto const& right) {
      return left->UsableUntil < right->UsableUntil;
    };
    entries.erase(std::min_element(entries.begin(), entries.end(), bySoonestEnd));
  }
  auto const place = std::upper_bound(entries.begin(), entries.end(), added, [](auto const& left, auto const& right) {
    return left->Hash < right->Hash;
  });
  entries.insert(place, std::move(added));
  Publish(std::move(entries));
}

void TokenCache::Remove(TokenRequest const& request, TokenRoute route) {
  std::lock_guard<std::mutex> const lock{writing_.Get().Mutex};
  Entries entries;
  for (auto const& entry : entries_.Value()) {
    if (!entry->IsFor(request, route)) entries.push_back(entry);
  }
  if (entries.size() != entries_.Value().size()) Publish(std::move(entries));
}

void TokenCache::DropToken(Secret const& token) {
  std::lock_guard<std::mutex> const lock{writing_.Get().Mutex};
  Entries entries;
  for (auto const& entry : entries_.Value()) {
    if (entry->Copies.front().Token != token) entries.push_back(entry);
  }
  if (entries.size() != entries_.Value().size()) Publish(std::move(entries));
}

void TokenCache::NoteFailedRefresh(
    TokenRequest const& request, TokenRoute route, TimePoint now, std::optional<TimePoint> notBefore) {
  auto const hash = HashOf(request, route);
  entries_.Read([&](Entries const& entries, std::size_t) {
    auto const* const entry = FindEntry(entries, request, route, hash);
    if (entry == nullptr) return;
    auto const next = RenewalRetryOn(++entry->FailedRefreshes, now, entry->UsableUntil, notBefore, random_);
    entry->NextTry.store(next.time_since_epoch().count());
  });
}

void TokenCache::DropBinding(std::string_view x5tS256, std::optional<std::string_view> tenantId) {
  std::lock_guard<std::mutex> const lock{writing_.Get().Mutex};
  Entries entries;
  for (auto const& entry : entries_.Value()) {
    bool const isMeant = entry->Binding() != nullptr && entry->Binding()->X5tS256() == x5tS256 &&
                         (!tenantId || *tenantId == entry->TenantId);
    if (!isMeant) entries.push_back(entry);
  }
  if (entries.size() != entries_.Value().size()) Publish(std::move(entries));
}

void TokenCache::PreferBinding(std::string_view x5tS256, TimePoint now) {
  std::lock_guard<std::mutex> const lock{writing_.Get().Mutex};
  bool changed = false;
  Entries entries;
  for (auto const& entry : entries_.Value()) {
    bool const isOther = entry->Binding() != nullptr && entry->Binding()->X5tS256() != x5tS256;
    entries.push_back(isOther ? std::make_shared<Entry const>(*entry, std::min(now, entry->RefreshOn)) : entry);
    changed = changed || isOther;
  }
  if (changed) Publish(std::move(entries));
}

bool TokenCache::Holds(std::string_view x5tS256) const {
  std::lock_guard<std::mutex> const lock{writing_.Get().Mutex};
  auto const& entries = entries_.Value();
  return std::any_of(entries.begin(), entries.end(), [x5tS256](auto const& entry) {
    return entry->Binding() != nullptr && entry->Binding()->X5tS256() == x5tS256;
  });
}

void TokenCache::Publish(Entries entries) { entries_.Replace(std::make_unique<Entries const>(std::move(entries))); }

}  // namespace mtlspop
