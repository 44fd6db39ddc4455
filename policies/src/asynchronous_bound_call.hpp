#pragma once

/// @file
/// The driver of a `BoundCall` that holds no thread while it waits.

#include <memory>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/policies/bound_call.hpp"
#include "mtlspop/policies/http_policy.hpp"
#include "mtlspop/transport/clock.hpp"

namespace mtlspop {

/// What a call is driven with. The credential and what `Next` leads to must live until the call has ended.
struct BoundCallParts {
  TokenCredential& Credential;
  std::shared_ptr<BoundCallSettings const> Settings;
  std::shared_ptr<Clock> Time;
  NextHttpPolicy Next;
};

/// Sends `request`, and tells `done` what came of it.
/// @throw std::bad_alloc; `done` is not called then
void DriveBoundCall(
    BoundCallParts parts,
    std::shared_ptr<PipelineRequest> request,
    Context const& context,
    Completion<std::unique_ptr<Response>> done);

}  // namespace mtlspop
