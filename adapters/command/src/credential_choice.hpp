#pragma once

/// @file
/// From the options to a credential.

#include <functional>
#include <memory>

#include "identity_options.hpp"
#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/observer.hpp"

namespace mtlspop::command {

/// What every credential is made with.
struct CredentialSurroundings {
  /// Not null.
  std::shared_ptr<HttpTransport> Transport;
  EventSink Observer;
};

/// Whether the options mean a managed identity, for itself or as the first leg of a federated one.
bool UsesManagedIdentity(IdentityOptions const& options) noexcept;

/// @throw Error `usage` for options that do not go together, `not_built` for keys that this build knows nothing of,
/// `read_failed` for a password that cannot be read; what the credentials' constructors throw
std::shared_ptr<TokenCredential> MakeCredential(
    IdentityOptions const& options, CredentialSurroundings const& surroundings);

/// The same as another managed identity than the options name. One that the options do not mean is refused: where they
/// name an application, all others.
/// @throw Error `usage`, and as `MakeCredential`
std::function<std::shared_ptr<TokenCredential>(ManagedIdentityId const&)> MakeCredentialFactory(
    IdentityOptions options, CredentialSurroundings surroundings);

/// What this machine's own metadata service answers: bearer tokens of the managed identity that the options name.
/// @throw Error `usage` where they name an application, of which that service knows nothing; as `MakeCredential`
std::function<std::shared_ptr<TokenCredential>(ManagedIdentityId const&)> MakeBearerFactory(
    IdentityOptions const& options, CredentialSurroundings surroundings);

/// The options of the managed identity among them.
ManagedIdentityCredentialOptions MakeManagedIdentityOptions(
    IdentityOptions const& options, CredentialSurroundings const& surroundings);

/// Where `IdentityOptions::Key` says.
std::shared_ptr<KeyProvider> MakeKeys(IdentityOptions const& options);

}  // namespace mtlspop::command
