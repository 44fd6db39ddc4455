#pragma once

/// @file
/// JSON that somebody else has written.

#include <nlohmann/json.hpp>

namespace mtlspop::command {

/// Deeper than anything that a service says, and shallow enough for whoever walks through it by recursion.
constexpr int DeepestJson = 32;

/// The text as JSON; a discarded value where it is none, or nested deeper than that.
template <typename Text>
nlohmann::ordered_json ParseOutsideJson(Text const& text) {
  using Json = nlohmann::ordered_json;
  bool isTooDeep = false;
  auto const stayShallow = [&isTooDeep](int depth, Json::parse_event_t, Json&) {
    isTooDeep = isTooDeep || depth > DeepestJson;
    return !isTooDeep;
  };
  auto parsed = Json::parse(text.begin(), text.end(), stayShallow, false);
  return isTooDeep ? Json(Json::value_t::discarded) : parsed;
}

}  // namespace mtlspop::command
