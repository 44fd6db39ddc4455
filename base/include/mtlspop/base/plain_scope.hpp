#pragma once

/// @file
/// What may stand in a scope, a resource, or the authority that a challenge names.

#include <algorithm>
#include <string_view>

namespace mtlspop {

/// Whether everybody reads the same in `text`: printable ASCII without spaces, since a token service takes what follows one
/// for another scope; without what a URL's reader drops or decodes (`#`, `?`, `%`, `\`, quotes); and without dot segments
/// (RFC 3986 section 3.3). A scope-token of RFC 6749 section 3.3 and less.
inline bool IsPlainScope(std::string_view text) noexcept {
  constexpr std::string_view ambiguous = "#?%\\\"'<>`";
  bool const isPrintable = std::all_of(text.begin(), text.end(), [&](char c) {
    return c > ' ' && c <= '~' && ambiguous.find(c) == std::string_view::npos;
  });
  for (auto rest = text; isPrintable;) {
    auto const segment = rest.substr(0, rest.find('/'));
    if (segment == "." || segment == "..") return false;
    if (segment.size() == rest.size()) return !text.empty();
    rest.remove_prefix(segment.size() + 1);
  }
  return false;
}

}  // namespace mtlspop
