#include "claims.hpp"

#include "mtlspop/base/encoding.hpp"
#include "outside_json.hpp"

namespace mtlspop::command {
namespace {

constexpr std::int64_t LatestTime = 253'402'300'799;  // the end of year 9999

}  // namespace

std::optional<nlohmann::ordered_json> ReadClaims(std::string_view token) {
  auto const first = token.find('.');
  auto const second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  auto const payload = encoding::FromBase64Url(token.substr(first + 1, second - first - 1));
  if (!payload) return std::nullopt;
  auto claims = ParseOutsideJson(*payload);
  if (!claims.is_object()) return std::nullopt;
  return claims;
}

std::string TextOf(nlohmann::ordered_json const& claims, char const* name) {
  auto const member = claims.find(name);
  return member != claims.end() && member->is_string() ? member->get<std::string>() : std::string{};
}

std::string BoundTo(nlohmann::ordered_json const& claims) {
  auto const confirmation = claims.find("cnf");
  return confirmation != claims.end() && confirmation->is_object() ? TextOf(*confirmation, "x5t#S256") : std::string{};
}

std::optional<std::chrono::system_clock::time_point> ExpiryOf(nlohmann::ordered_json const& claims) {
  auto const member = claims.find("exp");
  if (member == claims.end() || !member->is_number_integer()) return std::nullopt;
  auto const seconds = member->get<std::int64_t>();
  if (seconds < 0 || seconds > LatestTime) return std::nullopt;
  return std::chrono::system_clock::time_point{std::chrono::seconds{seconds}};
}

}  // namespace mtlspop::command
