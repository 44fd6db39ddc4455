#pragma once

/// @file
/// What a server that answers 401 asks for (RFC 9110 section 11.6.1).

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mtlspop/export.hpp"

namespace mtlspop {

/// One challenge: a scheme with either parameters or a token68.
struct MTLSPOP_EXPORT AuthenticationChallenge {
  /// As it was sent; compares without regard to case.
  std::string Scheme;
  /// `token68` of RFC 9110 section 11.2, "" for none.
  std::string Token68;
  /// Names as they were sent, values without quotes and escapes.
  std::vector<std::pair<std::string, std::string>> Parameters;

  /// The value of the first parameter of that name, whatever its case; null where there is none.
  std::string const* Find(std::string_view name) const noexcept;
};

/// Reads one `WWW-Authenticate` value, which may hold several challenges.
///
/// Takes what services send beyond the grammar: parameters that are parted by spaces alone, and unquoted values that are
/// no tokens, such as URLs. Reads up to the first thing that it cannot make sense of and returns the challenges until there;
/// text of any kind and length is safe. At most 32 challenges with 64 parameters each are read.
MTLSPOP_EXPORT std::vector<AuthenticationChallenge> ParseWwwAuthenticate(std::string_view value);

/// The JSON of the claims challenge among `challenges` (`error="insufficient_claims"`, `claims` in base64 or base64url); ""
/// for none.
MTLSPOP_EXPORT std::string FindClaims(std::vector<AuthenticationChallenge> const& challenges);

}  // namespace mtlspop
