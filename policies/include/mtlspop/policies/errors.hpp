#pragma once

/// @file
/// What can go wrong on a request's way down, beside what the credential and the transport report.

#include "mtlspop/transport/error.hpp"

namespace mtlspop::errors {

/// The resource answered a bound request with a redirect, which is never followed.
inline constexpr ErrorCode RedirectRefused{"redirect_refused"};
/// The resource's challenge names a resource that the host called is not part of, or a token service that is no https URL.
/// No token was asked for.
inline constexpr ErrorCode ChallengeRejected{"challenge_rejected"};
/// No scopes were given, and the resource did not say which ones it wants.
inline constexpr ErrorCode ScopesUnknown{"scopes_unknown"};
/// The resource takes bound tokens only, and the credential gives a bearer token.
inline constexpr ErrorCode BearerTokensNotTaken{"bearer_tokens_not_taken"};
/// The resource has refused the token, and the credential gives no other.
inline constexpr ErrorCode TokenRefused{"token_refused"};

}  // namespace mtlspop::errors
