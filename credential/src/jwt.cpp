#include "jwt.hpp"

#include <algorithm>

#include <gsl/util>

#include "json.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/saturated_time.hpp"

namespace mtlspop {
namespace {

bool IsBase64Url(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/// The part between the two dots, none where there are not three non-empty parts of base64url.
std::optional<std::string_view> FindPayload(std::string_view token) {
  auto const first = token.find('.');
  if (first == std::string_view::npos || first == 0) return std::nullopt;
  auto const second = token.find('.', first + 1);
  if (second == std::string_view::npos || second == first + 1 || second + 1 == token.size()) return std::nullopt;
  if (token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  bool const isClean = std::all_of(token.begin(), token.end(), [](char c) { return c == '.' || IsBase64Url(c); });
  if (!isClean) return std::nullopt;
  return token.substr(first + 1, second - first - 1);
}

}  // namespace

std::optional<JwtClaims> ReadJwt(std::string_view token) {
  auto const encoded = FindPayload(token);
  if (!encoded) return std::nullopt;
  auto payload = encoding::FromBase64Url(*encoded);
  if (!payload) return std::nullopt;
  auto const cleanse = gsl::finally([&payload] { Cleanse(payload->data(), payload->size()); });
  auto const object = json::ParseObject({reinterpret_cast<char const*>(payload->data()), payload->size()});
  if (!object) return std::nullopt;

  JwtClaims claims;
  if (auto const* const confirmation = object->Find("cnf")) {
    claims.BoundX5tS256 = json::FindString(*confirmation, "x5t#S256");
  }
  if (auto const seconds = json::FindInteger(*object, "exp")) {
    claims.ExpiresOn = ToSaturatedTime(*seconds);
  }
  return claims;
}

}  // namespace mtlspop
