#pragma once

/// @file
/// The Azure SDK's credential over any credential of this library.

#include <memory>

#include <azure/core/context.hpp>
#include <azure/core/credentials/credentials.hpp>

#include "mtlspop/azure/export.hpp"
#include "mtlspop/azure/http_transport.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/policies/resource_memory.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::azure {

class TokenBindingAccess;

/// Options of `BoundTokenCredential`. A default-constructed one is the system-assigned managed identity with bound
/// tokens.
struct BoundTokenCredentialOptions {
  /// Where tokens come from. Null for a `ManagedIdentityCredential` with the options below.
  std::shared_ptr<mtlspop::TokenCredential> Credential;
  /// Tokens have to be bound unless `Binding` is set to something else here. With `TokenBinding::Preferred`, a resource that
  /// refuses bound tokens is sent a bearer token instead. `Transport` and `Observer` are those below where they are not set
  /// here. `Time` and `Random` are those of the clients' calls as well, whatever `Credential` is.
  ManagedIdentityCredentialOptions ManagedIdentity;
  /// What the requests of clients with token binding travel through. Null for `DefaultHttpTransport()`.
  std::shared_ptr<mtlspop::HttpTransport> Transport;
  /// What those requests are held to.
  NetworkLimits Limits;
  /// How long it is remembered that a resource takes only bearer tokens, and how many extra tokens a resource may cause.
  ResourceMemoryOptions Memory;
  /// What a client does whose options went through `UseTokenBinding`, and that was all the same constructed with a credential
  /// of Azure's own: its bearer tokens are sent, with one warning (`client.token_not_bound`), or refused with
  /// `token_binding_not_in_use` where this is true.
  bool RefusesOtherTokens = false;
  /// Who is told of what happens; the process's default observer where nobody else is named.
  EventSink Observer;
};

/// Hands this library's tokens to clients of the Azure SDK for C++.
///
/// Azure's `AccessToken` has room for neither a type nor a certificate. So what is handed out is a random text, a handle:
/// nobody takes it but the policy that `UseTokenBinding` adds, which asks the credential for token and certificate each
/// time. So the credential's own cache has the last word on what is fresh, however long Azure's policies keep a handle, and
/// a token is never in an Azure request object.
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
/// A client that was constructed with this credential and not with what `UseTokenBinding` has put into its options sends
/// nothing: its call fails with `token_binding_not_in_use`, which says what is missing. That is so for whoever else calls
/// `GetToken`, such as a credential of one's own that does not pass on the context.
///
/// Thread safety: all members may be called from any thread at any time.
class MTLSPOP_AZURE_EXPORT BoundTokenCredential final : public Azure::Core::Credentials::TokenCredential {
 public:
  /// Sends nothing.
  /// @throw Error `invalid_argument` for options that cannot be used
  explicit BoundTokenCredential(BoundTokenCredentialOptions options = {});
  /// Over `credential`, everything else as it comes.
  explicit BoundTokenCredential(std::shared_ptr<mtlspop::TokenCredential> credential);
  ~BoundTokenCredential() override;

  /// Returns a handle, good until the token that it stands for now expires.
  /// @throw Azure::Core::Credentials::AuthenticationException with the text of this library's `Error`:
  /// `token_binding_not_in_use`, or what the credential throws; Azure::Core::OperationCancelledException where `context`
  /// ended.
  Azure::Core::Credentials::AccessToken GetToken(
      Azure::Core::Credentials::TokenRequestContext const& tokenRequestContext,
      Azure::Core::Context const& context) const override;

 private:
  friend class TokenBindingAccess;
  class State;

  std::shared_ptr<State> state_;
};

}  // namespace mtlspop::azure
