#pragma once

#include <memory>
#include <optional>

#include <azure/core/context.hpp>

#include "mtlspop/credential/access_token.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::azure {

/// What one attempt of a bound request takes from the policy down to the transport, and back.
struct BoundTravel {
  AccessToken Token;
  /// What the transport failed with, in this library's terms.
  std::optional<Error> Failure;
};

/// Under this key a context holds a `std::shared_ptr<BoundTravel>`.
Azure::Core::Context::Key const& BoundTravelKey();

/// What stands in the Authorization field from the policy down to the transport: not the token.
inline constexpr char const* TokenPlaceholder = "mtls_pop (put in by the transport, with the certificate)";

}  // namespace mtlspop::azure
