#include "token_handles.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <shared_mutex>
#include <string_view>
#include <utility>

#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/random_bytes.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::azure {
namespace {

constexpr std::string_view Prefix = "mtlspop-handle-";

std::string KeyOf(TokenRequest const& request) {
  auto key = request.TenantId;
  for (auto const& scope : request.Scopes) key.append(1, '\0').append(scope);
  return key;
}

// 256 bits from the system, in hexadecimal: what nobody can guess, nothing else will do.
std::string NewHandle() {
  std::array<std::uint8_t, 32> bytes{};
  if (!FillRandom(bytes)) {
    throw Error{
        {errors::SystemFailure, "The system has no random numbers to give",
         "See why getrandom fails: a container's seccomp profile, most often"}};
  }
  return std::string{Prefix} + encoding::ToHex(bytes);
}

}  // namespace

TokenHandles::State::State(State* parents) {
  if (parents == nullptr) return;
  // With those who read in the parent, who are for ever in the middle of it.
  std::shared_lock const lock{parents->Mutex, std::try_to_lock};
  if (!lock) return;
  ByHandle = parents->ByHandle;
  ByKey = parents->ByKey;
  Made = parents->Made;
}

std::string TokenHandles::For(TokenRequest const& request) {
  auto key = KeyOf(request);
  auto& state = state_.Get();
  {
    std::shared_lock const lock{state.Mutex};
    if (auto const known = state.ByKey.find(key); known != state.ByKey.end()) return known->second;
  }
  auto handle = NewHandle();
  std::unique_lock const lock{state.Mutex};
  if (auto const known = state.ByKey.find(key); known != state.ByKey.end()) return known->second;
  if (state.ByHandle.size() >= MaximumHandles) state.ForgetOldest();
  auto stood = std::make_shared<TokenRequest>();
  stood->Scopes = request.Scopes;
  stood->TenantId = request.TenantId;
  state.ByKey.emplace(key, handle);
  state.ByHandle.emplace(handle, Entry{std::move(key), std::move(stood), ++state.Made});
  return handle;
}

std::shared_ptr<TokenRequest const> TokenHandles::Find(std::string const& handle) const {
  auto& state = state_.Get();
  std::shared_lock const lock{state.Mutex};
  auto const found = state.ByHandle.find(handle);
  return found == state.ByHandle.end() ? nullptr : found->second.Request;
}

bool TokenHandles::IsHandle(std::string const& text) noexcept { return text.compare(0, Prefix.size(), Prefix) == 0; }

void TokenHandles::State::ForgetOldest() {
  auto const oldest = std::min_element(ByHandle.begin(), ByHandle.end(), [](auto const& left, auto const& right) {
    return left.second.Number < right.second.Number;
  });
  ByKey.erase(oldest->second.Key);
  ByHandle.erase(oldest);
}

}  // namespace mtlspop::azure
