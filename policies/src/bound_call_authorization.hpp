#pragma once

/// @file
/// What every driver of a `BoundCall` does with a request.

#include <optional>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/policies/bound_call.hpp"
#include "mtlspop/policies/http_policy.hpp"

namespace mtlspop {

/// Makes it the request as it is to travel with `token`, or without any.
void Authorize(PipelineRequest& request, std::optional<AccessToken> const& token);

/// What is to be sent for `send`: `request` itself, authorized, or a question in its place.
std::shared_ptr<PipelineRequest> Prepare(std::shared_ptr<PipelineRequest> const& request, BoundCall::Send const& send);

/// Tells the credential of the refusal that comes with `step`, if one does.
void Report(TokenCredential& credential, BoundCall::Step const& step) noexcept;

}  // namespace mtlspop
