#pragma once

/// @file
/// What options and environment say together.

#include <string>

#include "mtlspop/credential/managed_identity_credential.hpp"

namespace mtlspop {

/// The options that the environment has a say in.
struct ManagedIdentitySettings {
  std::string ImdsEndpoint;
  /// Who says so, for errors.
  std::string ImdsEndpointSource;
  /// No bound tokens, whoever asks.
  bool BindingDisabled = false;
  bool KeepsAttestations = true;
  std::string KeyName;
};

/// Options win over the environment; turning binding off is the environment's alone.
ManagedIdentitySettings ReadSettings(ManagedIdentityCredentialOptions const& options);

}  // namespace mtlspop
