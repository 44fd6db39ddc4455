#pragma once

/// @file
/// JSON that came from outside.

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace mtlspop::json {

/// The object that `text` is, none where it is anything else. Never throws because of the content, whose text would end
/// up in the exception.
inline std::optional<nlohmann::json> ParseObject(std::string_view text) {
  auto value = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (!value.is_object()) return std::nullopt;
  return value;
}

/// Whether the member is a text that is not empty.
inline bool HasText(nlohmann::json const& object, char const* name) {
  auto const member = object.find(name);
  return member != object.end() && member->is_string() && !member->get_ref<std::string const&>().empty();
}

/// The member's text, none where it is missing, empty, or no string.
inline std::optional<std::string> FindString(nlohmann::json const& object, char const* name) {
  if (!HasText(object, name)) return std::nullopt;
  return object.at(name).get<std::string>();
}

/// A whole number, also where it was sent as a string.
inline std::optional<std::int64_t> FindInteger(nlohmann::json const& object, char const* name) {
  auto const member = object.find(name);
  if (member == object.end()) return std::nullopt;
  if (member->is_number()) {
    auto const number = member->get<double>();
    if (number >= -9e15 && number <= 9e15) return static_cast<std::int64_t>(number);
    return std::nullopt;
  }
  if (!member->is_string()) return std::nullopt;
  auto const& text = member->get_ref<std::string const&>();
  if (text.empty() || text.size() > 15 || text.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  return std::stoll(text);
}

/// Compact text; what is not UTF-8 is replaced rather than refused.
inline std::string ToText(nlohmann::json const& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace mtlspop::json
