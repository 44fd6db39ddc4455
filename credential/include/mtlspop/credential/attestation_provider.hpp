#pragma once

/// @file
/// Proof that a key is kept where it claims to be.

#include <memory>
#include <string>

#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/export.hpp"
#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop {

/// What has to be attested.
struct AttestationRequest {
  /// The attestation service that the instance metadata service named, as it named it.
  std::string Endpoint;
  /// The client id of the identity.
  std::string ClientId;
  /// The key. Never null.
  std::shared_ptr<BindingKey const> Key;
};

/// Turns a key into a JWT of an attestation service. The credential caches the JWT and makes one call at a time per
/// key, so an implementation need not.
///
/// Thread safety: all members may be called from any thread at any time.
class MTLSPOP_EXPORT AttestationProvider {
 public:
  virtual ~AttestationProvider() = default;

  /// Whether there is any point in calling `Attest` on this machine. Must be quick: it is asked before anything is
  /// sent.
  virtual bool IsAvailable() const noexcept { return true; }

  /// The JWT.
  /// @throw Error `attestation_failed`. An empty or blank JWT is treated as one.
  virtual Secret Attest(AttestationRequest const& request, Context const& context) = 0;
};

}  // namespace mtlspop
