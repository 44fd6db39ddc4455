#include "jwt.hpp"

#include "json.hpp"
#include "mtlspop/base/encoding.hpp"

namespace mtlspop {
namespace {

/// The part between the two dots, none where there are not three non-empty parts.
std::optional<std::string_view> FindPayload(std::string_view token) {
  auto const first = token.find('.');
  if (first == std::string_view::npos || first == 0) return std::nullopt;
  auto const second = token.find('.', first + 1);
  if (second == std::string_view::npos || second == first + 1 || second + 1 == token.size()) return std::nullopt;
  if (token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  return token.substr(first + 1, second - first - 1);
}

}  // namespace

std::optional<JwtClaims> ReadJwt(std::string_view token) {
  auto const encoded = FindPayload(token);
  if (!encoded) return std::nullopt;
  auto const payload = encoding::FromBase64Url(*encoded);
  if (!payload) return std::nullopt;
  auto const object = json::ParseObject({reinterpret_cast<char const*>(payload->data()), payload->size()});
  if (!object) return std::nullopt;

  JwtClaims claims;
  auto const confirmation = object->find("cnf");
  if (confirmation != object->end() && confirmation->is_object()) {
    claims.BoundX5tS256 = json::FindString(*confirmation, "x5t#S256");
  }
  if (auto const seconds = json::FindInteger(*object, "exp")) {
    claims.ExpiresOn = std::chrono::system_clock::time_point{std::chrono::seconds{*seconds}};
  }
  return claims;
}

}  // namespace mtlspop
