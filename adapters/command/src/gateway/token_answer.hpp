#pragma once

/// @file
/// How a program is told a token, or a handle for one.

#include <memory>

#include "gateway/handles.hpp"
#include "mtlspop/transport/response.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop::gateway {

/// As the metadata service answers. Of `token` no copy is left behind but the answer's body, which overwrites its own.
std::unique_ptr<Response> TokenAnswer(
    Secret const& token, Handles::TimePoint expiresOn, HandleGrant const& grant, Handles::TimePoint now);

}  // namespace mtlspop::gateway
