#include "token_pairs.hpp"

#include <algorithm>

#include <azure/core/base64.hpp>

namespace mtlspop::azure {
namespace {

// Azure's pipelines look at the clock for themselves; ours may be behind theirs.
constexpr std::chrono::minutes Grace{5};

}  // namespace

void TokenPairs::Remember(AccessToken const& token, TokenRequest const& request) {
  std::string_view const text = token.Token.Reveal();
  {
    std::shared_lock const lock{mutex_};
    if (entries_.find(text) != entries_.end()) return;
  }
  auto pair = std::make_shared<TokenPair const>(TokenPair{token, request});
  std::unique_lock const lock{mutex_};
  MakeRoom();
  entries_.emplace(text, Entry{token, std::move(pair)});
}

void TokenPairs::Replace(std::string_view old, AccessToken const& replacement) {
  std::unique_lock const lock{mutex_};
  auto const found = entries_.find(old);
  if (found == entries_.end()) return;
  found->second.Current = std::make_shared<TokenPair const>(TokenPair{replacement, found->second.Current->Request});
}

std::shared_ptr<TokenPair const> TokenPairs::Find(std::string_view token) const {
  std::shared_lock const lock{mutex_};
  auto const found = entries_.find(token);
  return found == entries_.end() ? nullptr : found->second.Current;
}

std::size_t TokenPairs::Size() const {
  std::shared_lock const lock{mutex_};
  return entries_.size();
}

void TokenPairs::RememberBearerOnly(std::string const& host) {
  std::unique_lock const lock{mutex_};
  if (bearerOnly_.size() < MaximumHosts) bearerOnly_.insert(host);
  knowsBearerOnly_ = true;
}

bool TokenPairs::TakesOnlyBearer(std::string const& host) const {
  if (!knowsBearerOnly_) return false;
  std::shared_lock const lock{mutex_};
  return bearerOnly_.count(host) != 0;
}

void TokenPairs::MakeRoom() {
  auto const now = time_->Now();
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    entry = entry->second.Original.ExpiresOn + Grace < now ? entries_.erase(entry) : std::next(entry);
  }
  if (entries_.size() < MaximumPairs) return;
  entries_.erase(std::min_element(entries_.begin(), entries_.end(), [](auto const& left, auto const& right) {
    return left.second.Original.ExpiresOn < right.second.Original.ExpiresOn;
  }));
}

bool IsBoundToken(std::string_view token) {
  auto const first = token.find('.');
  auto const second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos) return false;
  try {
    auto const claims =
        Azure::Core::_internal::Base64Url::Base64UrlDecode(std::string{token.substr(first + 1, second - first - 1)});
    constexpr std::string_view Member = "\"x5t#S256\"";
    return std::search(claims.begin(), claims.end(), Member.begin(), Member.end()) != claims.end();
  } catch (std::exception const&) {
    return false;
  }
}

}  // namespace mtlspop::azure
