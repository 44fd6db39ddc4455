// Base64 in both alphabets, percent-encoding and the case-insensitive comparison of HTTP.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlspop_emulator {

std::string Base64Encode(std::string_view bytes);

// Strict: canonical padding, no white space, no line breaks.
std::optional<std::string> Base64Decode(std::string_view text);

std::string Base64UrlEncode(std::string_view bytes);

// Strict: no padding.
std::optional<std::string> Base64UrlDecode(std::string_view text);

std::string HexEncode(std::string_view bytes);

std::string LowerCase(std::string_view text);

bool EqualsIgnoringCase(std::string_view left, std::string_view right);

// A path's, where '+' is itself.
std::string DecodePath(std::string_view path);

using Parameters = std::vector<std::pair<std::string, std::string>>;

// Reads a query string or an application/x-www-form-urlencoded body.
Parameters ParseParameters(std::string_view text);

// All values of the parameter, in order.
std::vector<std::string> ValuesOf(Parameters const& parameters, std::string_view name);

// The only value of the parameter, or nothing where it is absent or repeated.
std::optional<std::string> OnlyValueOf(Parameters const& parameters, std::string_view name);

}  // namespace mtlspop_emulator
