#pragma once

/// @file
/// JSON that came from outside: bounded in depth and numbers, and without a copy of the secrets in it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "json_value.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop::json {

/// Objects and arrays inside one another, the outermost counted. What services send has less than ten; writing and copying
/// what was parsed takes stack for each.
inline constexpr std::size_t MostLevels = 32;

/// The object that `text` is, none where it is anything else, or deeper than `MostLevels`. Never throws because of the
/// content, whose text would end up in the exception.
std::optional<Value> ParseObject(std::string_view text);

/// The text of the outermost object's member `name`, which is overwritten in `text` so that neither the parser, which keeps
/// what it reads in buffers of its own, nor what it makes holds a copy. Of several members of that name the last counts, as
/// for the parser. Empty where it is no text, or not of printable ASCII and escapes of ASCII; it then stays as it is.
Secret TakeSecret(std::string& text, std::string_view name);

/// The member's text, none where it is missing, empty, or no string.
std::optional<std::string> FindString(Value const& object, char const* name);

/// A whole number, also where it was sent as a string of digits; a larger one than 9e15 is taken for that, a smaller one than
/// its negative likewise.
std::optional<std::int64_t> FindInteger(Value const& object, char const* name);

}  // namespace mtlspop::json
