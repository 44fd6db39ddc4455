#pragma once

/// @file
/// Tokens for the managed identity of a virtual machine, bound to a certificate that the machine's instance metadata
/// service (IMDS v2) issues.
///
/// @code
/// mtlspop::ManagedIdentityCredentialOptions options;
/// auto credential = std::make_shared<mtlspop::ManagedIdentityCredential>(options);
///
/// mtlspop::TokenRequest request;
/// request.Scopes = {"https://vault.azure.net/.default"};
/// auto token = credential->GetToken(request, mtlspop::Context{}.WithTimeout(std::chrono::seconds{30}));
/// // Send token.AuthorizationHeader() over a connection that presents token.Binding, and over no other.
/// @endcode

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gsl/pointers>

#include "mtlspop/credential/attestation_provider.hpp"
#include "mtlspop/credential/binding_store.hpp"
#include "mtlspop/credential/environment_reader.hpp"
#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/credential/managed_identity_id.hpp"
#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/export.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/observer.hpp"

namespace mtlspop {

/// What MSAL does, for `ManagedIdentityCredentialOptions::Binding`: `Preferred` where the environment variable
/// `MSAL_ENABLE_MSI_V2` is `true` or `1`, bearer tokens otherwise.
MTLSPOP_EXPORT TokenBinding AsEnvironmentSays(EnvironmentReader const& environment = ReadEnvironment);

/// Options of `ManagedIdentityCredential`. A default-constructed one is the system-assigned identity with bound tokens.
///
/// Environment variables, read once when the credential is made:
/// - `AZURE_POD_IDENTITY_AUTHORITY_HOST`: where IMDS is, if `ImdsEndpoint` does not say.
/// - `MSAL_MI_DISABLE_IMDS_V2` (`true` or `1`): no bound tokens; `Required` then fails.
/// - `MSAL_MSI_V2_ATTESTATION_CACHE` (`0`): attests anew for every certificate.
/// - `MSAL_MSI_V2_KEY_NAME`: the name of the key, for providers whose keys have names.
struct ManagedIdentityCredentialOptions {
  /// Which identity of the machine. By default the system-assigned one.
  ManagedIdentityId Identity;

  /// Whether tokens have to be bound. By default they have to be. An application that accepts bearer tokens says
  /// so: `Preferred`, `None`, or `AsEnvironmentSays()`.
  TokenBinding Binding = TokenBinding::Required;
  /// Bearer tokens are asked for over mutual TLS with the binding certificate instead of from IMDS v1. The token itself
  /// is not bound then.
  bool BearerOverMtls = false;
  /// The key must be attested, or no certificate is asked for.
  bool Attest = false;
  /// No key weaker than this is tried. Which strengths the service issues certificates for is its own affair.
  KeyStrength MinimumStrength = KeyStrength::None;
  /// For example "cp1": what this application understands of claims challenges.
  std::vector<std::string> ClientCapabilities;
  /// "" for the identity's own tenant.
  std::string TenantId;
  /// Other tenants that a request, and so a resource's challenge, may name (`TokenRequest::TenantId`): ids and domains,
  /// or "*" for all. Any other is refused (`tenant_not_allowed`).
  std::vector<std::string> AdditionallyAllowedTenants;

  /// "" for `AZURE_POD_IDENTITY_AUTHORITY_HOST`, or else "http://169.254.169.254".
  std::string ImdsEndpoint;
  /// How long it may take in all to find out whether IMDS is there and which version it is. This includes waiting
  /// for another caller that is finding it out, and repetitions after lost connections. More than zero. Where there is no
  /// connection, that is known after a second; who takes one and is slow gets the rest of this time. The answer is kept for
  /// the process. A lock on the store is asked for only afterwards.
  std::chrono::milliseconds CapabilityDiscoveryTimeout = std::chrono::seconds{10};

  /// Null for `MakeDefaultKeyProvider()`.
  std::shared_ptr<KeyProvider> Keys;
  /// Null for the platform's, where it has one.
  std::shared_ptr<AttestationProvider> Attestation;
  /// Null for a memory store of this credential's own.
  std::shared_ptr<BindingStore> Store;
  /// Null for `DefaultHttpTransport()`.
  std::shared_ptr<HttpTransport> Transport;
  /// Must not be null.
  std::shared_ptr<Clock> Time = SystemClock();
  /// Gives random numbers from 0 up to, but not including, 1; called from any thread. They spread renewals and
  /// retries, so that machines which were started together do not ask together. Empty for the system's generator. Where
  /// it always gives 0, renewals come exactly when they are due.
  std::function<double()> Random;
  /// Who is told of what happens; the process's default observer where nobody else is named.
  EventSink Observer;
  /// Where the variables above are read, once. Must not be empty.
  EnvironmentReader Environment = ReadEnvironment;
};

/// Tokens for a managed identity.
///
/// Tokens and certificates are cached, and renewed in the background before they expire. The threads for this end
/// when they have nothing to do, and at the latest with the credential. Any number of concurrent calls for the same
/// token cause one request.
///
/// Thread safety: all members may be called from any thread. A call with a cached answer takes no lock.
class MTLSPOP_EXPORT ManagedIdentityCredential final : public TokenCredential {
 public:
  /// Sends nothing.
  /// @throw Error `invalid_argument` for an endpoint, identity or tenant that cannot be used; `tenant_required` for
  /// `common`, `organizations` and `consumers`
  explicit ManagedIdentityCredential(ManagedIdentityCredentialOptions options = {});
  /// Ends background work and waits for it.
  ~ManagedIdentityCredential() override;

  /// @throw Error with the codes of errors.hpp, first of all `mtls_pop_not_supported_in_imds_v1`,
  /// `mtls_pop_requires_keyguard`, `minimum_strength_not_available`, `attestation_failed`, `imds_not_reachable`;
  /// `invalid_argument` for other than one scope
  AccessToken GetToken(TokenRequest const& request, Context const& context) override;
  std::optional<AccessToken> TryGetToken(TokenRequest const& request) override;
  void GetTokenAsync(TokenRequest const& request, Context const& context, Completion<AccessToken> done) override;
  void ReportRefusal(TokenRequest const& request, AccessToken const& refused, RefusalReason reason) noexcept override;
  std::string_view Name() const noexcept override { return "ManagedIdentityCredential"; }

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Where managed identity tokens come from.
enum class ManagedIdentitySource {
  /// Nothing answered like IMDS.
  None,
  /// Somebody is there, and does not say which version it is: too busy, too slow, not willing, or it ends connections.
  ImdsUnknown,
  /// IMDS that issues bearer tokens only.
  ImdsV1,
  /// IMDS that issues binding certificates.
  ImdsV2,
};

/// "none", "imds_unknown", "imds_v1", "imds_v2".
MTLSPOP_EXPORT std::string_view ToString(ManagedIdentitySource source) noexcept;

/// Whether bound tokens can be had.
enum class BindingSupport {
  No,
  /// Only asking for a token shows it.
  Unknown,
  /// This process has been issued a certificate for a key like the machine's, or the key is of the kind that metadata
  /// services take (KeyGuard).
  Yes,
};

/// "no", "unknown", "yes".
MTLSPOP_EXPORT std::string_view ToString(BindingSupport support) noexcept;

/// What this machine can do.
struct ManagedIdentityCapabilities {
  /// What answered as the metadata service.
  ManagedIdentitySource Source = ManagedIdentitySource::None;
  /// The best key that can be had here.
  KeyStrength HighestStrength = KeyStrength::None;
  /// Whether bound tokens can be had here. Never `Yes` for a strength that the service refused this process, nor for a
  /// software key or one in a TPM that was not tried: services refuse them today.
  BindingSupport BindingSupported = BindingSupport::No;
  /// Why it is not `Yes`, as a sentence for people; "" where it is.
  std::string WhyNot;
};

/// Asks IMDS what it is, unless this process knows. Gets no certificate and no token. Takes `Identity`, `MinimumStrength`,
/// `ImdsEndpoint`, `CapabilityDiscoveryTimeout`, `Keys`, `Transport`, `Time`, `Log` and `Environment` of the options.
/// @throw Error `cancelled`, `deadline_exceeded` when `context` ends; no IMDS is an answer and not an error
MTLSPOP_EXPORT ManagedIdentityCapabilities
GetManagedIdentityCapabilities(ManagedIdentityCredentialOptions const& options, Context const& context);

}  // namespace mtlspop
