#pragma once

#include <azure/core/context.hpp>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::azure {

/// For a failure to get a token: what Azure's credentials throw, and chains of them catch.
/// @throw Azure::Core::Credentials::AuthenticationException; Azure::Core::OperationCancelledException where `context` ended.
[[noreturn]] void ThrowAsAuthenticationFailure(Error const& error, Azure::Core::Context const& context);

/// For a failure of a request, by the three families that http_transport.hpp tells.
/// @throw Azure::Core::Http::TransportException, Azure::Core::RequestFailedException,
/// Azure::Core::Credentials::AuthenticationException; Azure::Core::OperationCancelledException where `context` ended.
[[noreturn]] void ThrowAsRequestFailure(Error const& error, Azure::Core::Context const& context);

}  // namespace mtlspop::azure
