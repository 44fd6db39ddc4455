#pragma once

/// @file
/// The Azure SDK's credential over any credential of this library.

#include <memory>
#include <optional>

#include <azure/core/context.hpp>
#include <azure/core/credentials/credentials.hpp>

#include "mtlspop/azure/http_transport.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::azure {

class TokenPairs;

struct BoundTokenCredentialOptions {
  /// Where tokens come from. Null for a `ManagedIdentityCredential` with the options below. Its bound tokens have to be JWTs
  /// with a `cnf` claim, as those of the token service are (RFC 8705 section 3.1).
  std::shared_ptr<mtlspop::TokenCredential> Credential;
  /// Tokens have to be bound unless `Binding` is set to something else here. With `TokenBinding::Preferred`, a resource that
  /// refuses bound tokens is sent a bearer token instead. `Transport` and `Log` are those below where they are not set here.
  ManagedIdentityCredentialOptions ManagedIdentity;
  /// What the requests of clients with token binding travel through. Null for `DefaultHttpTransport()`.
  std::shared_ptr<mtlspop::HttpTransport> Transport;
  /// What those requests are held to.
  NetworkLimits Limits;
  Logger Log = Logger::FromEnvironment();
};

/// Hands this library's tokens to clients of the Azure SDK for C++.
///
/// Azure's `AccessToken` has room for neither a type nor a certificate. So the credential remembers which binding belongs to
/// which token, exactly and until the token has expired, and the policy that `UseTokenBinding` adds looks it up again. A
/// bound token is of no use to a client without that policy: the resource refuses it.
///
/// @code
/// auto credential = std::make_shared<mtlspop::azure::BoundTokenCredential>();
/// SecretClientOptions clientOptions;
/// mtlspop::azure::UseTokenBinding(clientOptions, credential);
/// SecretClient client("https://myvault.vault.azure.net", credential, clientOptions);
/// @endcode
///
/// It can be a part of an `Azure::Identity::ChainedTokenCredential`; pass the chain to the client and this credential to
/// `UseTokenBinding`. Tokens of other credentials pass through the policy untouched.
///
/// Thread safety: all members may be called from any thread at any time.
class BoundTokenCredential final : public Azure::Core::Credentials::TokenCredential {
 public:
  explicit BoundTokenCredential(BoundTokenCredentialOptions options = {});
  /// Over `credential`, everything else as it comes.
  explicit BoundTokenCredential(std::shared_ptr<mtlspop::TokenCredential> credential);
  ~BoundTokenCredential() override;

  /// @throw Azure::Core::Credentials::AuthenticationException with the text of this library's `Error`;
  /// Azure::Core::OperationCancelledException where `context` ended.
  Azure::Core::Credentials::AccessToken GetToken(
      Azure::Core::Credentials::TokenRequestContext const& tokenRequestContext,
      Azure::Core::Context const& context) const override;

 private:
  friend class TokenBindingAccess;
  AccessToken Get(
      TokenRequest const& request,
      Azure::Core::Credentials::TokenRequestContext const& wanted,
      Azure::Core::Context const& context) const;

  std::optional<TokenBinding> binding_;
  BoundTokenCredentialOptions options_;
  std::shared_ptr<TokenPairs> pairs_;
};

}  // namespace mtlspop::azure
