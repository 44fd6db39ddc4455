#include "token_handles.hpp"

#include <algorithm>
#include <mutex>
#include <random>
#include <string_view>
#include <utility>

namespace mtlspop::azure {
namespace {

constexpr std::string_view Prefix = "mtlspop-handle-";

std::string KeyOf(TokenRequest const& request) {
  auto key = request.TenantId;
  for (auto const& scope : request.Scopes) key.append(1, '\0').append(scope);
  return key;
}

// 256 bits from the system's generator, in hexadecimal.
std::string NewHandle() {
  constexpr char const* Digits = "0123456789abcdef";
  std::random_device random;
  std::string handle{Prefix};
  for (int word = 0; word < 8; ++word) {
    std::uint32_t bits = random();
    for (int digit = 0; digit < 8; ++digit, bits >>= 4U) handle.push_back(Digits[bits & 15U]);
  }
  return handle;
}

}  // namespace

std::string TokenHandles::For(TokenRequest const& request) {
  auto key = KeyOf(request);
  {
    std::shared_lock const lock{mutex_};
    if (auto const known = byKey_.find(key); known != byKey_.end()) return known->second;
  }
  auto handle = NewHandle();
  std::unique_lock const lock{mutex_};
  if (auto const known = byKey_.find(key); known != byKey_.end()) return known->second;
  if (byHandle_.size() >= MaximumHandles) ForgetOldest();
  auto stood = std::make_shared<TokenRequest>();
  stood->Scopes = request.Scopes;
  stood->TenantId = request.TenantId;
  byKey_.emplace(key, handle);
  byHandle_.emplace(handle, Entry{std::move(key), std::move(stood), ++made_});
  return handle;
}

std::shared_ptr<TokenRequest const> TokenHandles::Find(std::string const& handle) const {
  std::shared_lock const lock{mutex_};
  auto const found = byHandle_.find(handle);
  return found == byHandle_.end() ? nullptr : found->second.Request;
}

bool TokenHandles::IsHandle(std::string const& text) noexcept { return text.compare(0, Prefix.size(), Prefix) == 0; }

void TokenHandles::ForgetOldest() {
  auto const oldest = std::min_element(byHandle_.begin(), byHandle_.end(), [](auto const& left, auto const& right) {
    return left.second.Number < right.second.Number;
  });
  byKey_.erase(oldest->second.Key);
  byHandle_.erase(oldest);
}

}  // namespace mtlspop::azure
