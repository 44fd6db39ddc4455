#pragma once

#include <azure/core/context.hpp>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::azure {

/// Throws what an application of the Azure SDK expects of a credential: `AuthenticationException`, or
/// `OperationCancelledException` where `context` ended.
[[noreturn]] void ThrowAsAuthenticationFailure(Error const& error, Azure::Core::Context const& context);

/// Throws what an application of the Azure SDK expects of a transport: `TransportException`, which Azure's retry policy
/// tries again, `OperationCancelledException` where `context` ended, and `AuthenticationException` for what must not be
/// tried again.
[[noreturn]] void ThrowAsTransportFailure(Error const& error, Azure::Core::Context const& context);

}  // namespace mtlspop::azure
