#include "token_times.hpp"

#include <algorithm>

#include "mtlspop/base/saturated_time.hpp"
#include "renewal_schedule.hpp"

namespace mtlspop {

using std::chrono::seconds;
using std::chrono::system_clock;

Secret TakeToken(std::string& answer) {
  constexpr std::string_view others = "-._~+/=";
  auto token = json::TakeSecret(answer, "access_token");
  auto const text = token.Reveal();
  bool const isGood = std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           others.find(c) != std::string_view::npos;
  });
  return isGood ? token : Secret{};
}

std::optional<system_clock::time_point> ReadExpiry(json::Value const& answer, system_clock::time_point now) {
  // Longer lives than a year are somebody's mistake, and so large numbers must not overflow.
  constexpr std::int64_t longest = 366 * 24 * 3600;
  if (auto const life = json::FindInteger(answer, "expires_in"); life && *life > 0) {
    return now + seconds{std::min(*life, longest)};
  }
  if (auto const end = json::FindInteger(answer, "expires_on"); end && *end > 0) {
    auto const expiresOn = std::min(ToSaturatedTime(*end), now + seconds{longest});
    if (expiresOn > now) return expiresOn;
  }
  return std::nullopt;
}

system_clock::time_point ReadRefresh(
    json::Value const& answer, system_clock::time_point now, system_clock::time_point expiresOn) {
  auto const life = expiresOn - now;
  if (auto const wait = json::FindInteger(answer, "refresh_in"); wait && *wait > 0) {
    return std::min(now + seconds{std::min<std::int64_t>(*wait, 366 * 24 * 3600)}, expiresOn);
  }
  if (life >= std::chrono::hours{2}) return now + life / 2;
  return expiresOn - 2 * UsableMargin(life);
}

std::int64_t DaysLeft(BindingCertificate const& certificate, std::chrono::system_clock::time_point now) noexcept {
  return std::chrono::floor<std::chrono::hours>(certificate.NotAfter() - now).count() / 24;
}

}  // namespace mtlspop
