#include "claims_challenge.hpp"

#include <nlohmann/json.hpp>

#include "clock.hpp"
#include "digest.hpp"
#include "encoding.hpp"
#include "http_message.hpp"
#include "json_web_token.hpp"

namespace mtlspop_emulator {
namespace {

using nlohmann::json;

constexpr char const Marker[] = "emulator_challenge";

}  // namespace

std::string ClaimsChallenge::Arm() {
  std::lock_guard const lock(_mutex);
  _id = RandomGuid();
  return _id;
}

void ClaimsChallenge::Disarm() {
  std::lock_guard const lock(_mutex);
  _id.clear();
}

bool ClaimsChallenge::IsSatisfiedBy(json const& claims) const {
  std::lock_guard const lock(_mutex);
  return _id.empty() || StringClaim(claims, Marker) == _id;
}

std::string ClaimsChallenge::Encoded() const {
  std::lock_guard const lock(_mutex);
  json const wanted = {
      {"nbf", {{"essential", true}, {"value", std::to_string(Now())}}},
      {Marker, {{"essential", true}, {"value", _id.empty() ? RandomGuid() : _id}}}};
  return Base64Encode(JsonText({{"access_token", wanted}}));
}

bool ApplyClaimsRequest(std::string const& request, json& claims) {
  auto const parsed = ParseJsonObject(request);
  if (!parsed) {
    return false;
  }
  auto const wanted = parsed->find("access_token");
  if (wanted == parsed->end() || !wanted->is_object()) {
    return true;
  }
  for (auto const& [name, value] : wanted->items()) {
    if (!value.is_object()) {
      continue;
    }
    if (name == "xms_cc" && value.contains("values")) {
      claims["xms_cc"] = value["values"];
    } else if ((name == Marker || name == "acrs") && value.contains("value")) {
      claims[name] = value["value"];
    }
  }
  return true;
}

}  // namespace mtlspop_emulator
