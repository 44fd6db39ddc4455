#pragma once

#include <memory>
#include <optional>

#include <azure/core/context.hpp>

#include "mtlspop/credential/access_token.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/response.hpp"

namespace mtlspop::azure {

/// What one attempt of a request with one of our tokens takes from the policy down to the transport, and back.
struct BoundTravel {
  AccessToken Token;
  /// A request that is not to be sent: the transport is to say that it is there.
  bool IsProbe = false;
  bool HasArrived = false;
  /// What the transport failed with, in this library's terms.
  std::optional<Error> Failure;
  ConnectionInfo Connection;
};

/// Under this key a context holds a `std::shared_ptr<BoundTravel>`.
Azure::Core::Context::Key const& BoundTravelKey();

/// What stands in the Authorization field from the policy down to the transport: not the token.
inline constexpr char const* TokenPlaceholder = "mtls_pop (put in by the transport, with the certificate)";

}  // namespace mtlspop::azure
