#pragma once

#include <string_view>

#include <azure/core/context.hpp>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/transport/observer.hpp"

namespace mtlspop::azure {

/// As `credential.GetToken`. A token that is not in memory is asked for in a span of its own, a child of the one that
/// `context` is in: "BoundTokenCredential.GetToken", with what is told meanwhile on this thread as its events.
/// @param reason why this token is asked for, in one word; "" for no particular reason
AccessToken GetTokenTraced(
    mtlspop::TokenCredential& credential,
    TokenRequest const& request,
    std::string_view reason,
    Azure::Core::Context const& context);

/// Whether this thread is in such a span.
bool IsInSpanOnThisThread() noexcept;

/// Adds `event` to it, and nothing where there is none.
void AddToSpanOfThisThread(Event const& event);

}  // namespace mtlspop::azure
