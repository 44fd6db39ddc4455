#pragma once

/// @file
/// Bound tokens for an application that has a certificate of its own. Works on every platform.
///
/// @code
/// mtlspop::ClientCertificateCredentialOptions options;
/// options.TenantId = "72f988bf-86f1-41af-91ab-2d7cd011db47";
/// options.ClientId = "11111111-2222-3333-4444-555555555555";
/// options.CertificatePath = "/etc/app/client.pem";
/// auto credential = std::make_shared<mtlspop::ClientCertificateCredential>(options);
/// @endcode

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gsl/pointers>

#include "mtlspop/credential/environment_reader.hpp"
#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/export.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/observer.hpp"

namespace mtlspop {

/// Where the token service is.
struct AuthorityOptions {
  /// The directory's id or domain. `common` and `organizations` are refused: a certificate belongs to one tenant.
  std::string TenantId;
  /// The authority as sign-in uses it; the mutual-TLS host follows from it: login.microsoftonline.com becomes
  /// mtlsauth.microsoft.com, and so on for the sovereign clouds.
  std::string AuthorityHost = "https://login.microsoftonline.com";
  /// For example "westus3"; "" for the global endpoint; `DiscoverRegion`.
  std::string Region{};
  /// Other tenants that a request, and so a resource's challenge, may name (`TokenRequest::TenantId`): ids and domains,
  /// or "*" for all. Any other is refused (`tenant_not_allowed`).
  std::vector<std::string> AdditionallyAllowedTenants{};
  /// Where `DiscoverRegion` looks.
  EnvironmentReader Environment = ReadEnvironment;
};

/// As `AuthorityOptions::Region`: the region is that of the environment variable `REGION_NAME`, else of
/// `MSAL_FORCE_REGION`, else the one that the machine's instance metadata service says; where none of them says one, the
/// global endpoint is used.
inline constexpr char const* DiscoverRegion = "discover";

/// The URL of the mutual-TLS token endpoint.
/// @throw Error `tenant_required` for no tenant, `common`, `organizations` and `consumers` in any case;
/// `invalid_argument` for an authority that is not https or not called login.something or has no mutual-TLS
/// host (sts.windows.net, login.usgovcloudapi.net, login.chinacloudapi.cn), a region with other than letters,
/// digits and hyphens, and a tenant with other than these and single dots between them or with more than 253 characters.
/// `DiscoverRegion` counts as none: credentials look for the region
MTLSPOP_EXPORT std::string MtlsTokenEndpoint(AuthorityOptions const& authority);

/// Options of `ClientCertificateCredential`. Exactly one of the five sources of the certificate is given.
struct ClientCertificateCredentialOptions : AuthorityOptions {
  /// The application's id.
  std::string ClientId;

  /// A file of at most 1 MiB with certificate chain and private key, in any order: PEM, or PKCS#12. Of several
  /// certificates for the key, the first one that is valid now is taken; where none is, the first one. The certificates
  /// that issued it are sent along, except the root. A renewed file is picked up while the process runs.
  std::string CertificatePath;
  /// The same as a text; also PKCS#12 in base64, as Key Vault gives the secret of a certificate.
  Secret CertificateContent;
  /// A URI of the platform's store. On OpenSSL whatever `OSSL_STORE_open` takes, for example "file:/etc/app/client.p12"; on
  /// Windows "cert:/CurrentUser/My/{thumbprint}".
  std::string CertificateUri;
  /// A certificate that the application has made or opened itself.
  std::shared_ptr<BindingCertificate const> Certificate;
  /// Gives the certificate, and is called again as often as a file would be read: for keys in a device, such as
  /// `TpmClientCertificate` and `Pkcs11ClientCertificate` give. Called from any thread, one call at a time. On OpenSSL
  /// `openssl::SigningContext::Current()` is the context of the call that it is for; when it ends, or the credential does, give
  /// up.
  std::function<std::shared_ptr<BindingCertificate const>()> CertificateSource;
  /// Opens a PKCS#12 file, an encrypted PEM key, or the store.
  Secret Password;
  /// How often the file or store is read again, on a thread of the credential's own, whether there are requests or
  /// not; shortened each time by a random factor from 0.8 to 1. More than a minute counts as a minute, less than a second
  /// as a second. Only a call after a refusal waits for it.
  std::chrono::seconds ReloadInterval{30};

  /// Whether tokens have to be bound. `None`: bearer tokens, asked for over mutual TLS.
  TokenBinding Binding = TokenBinding::Required;
  /// For example "cp1".
  std::vector<std::string> ClientCapabilities;

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
};

/// Tokens for an application, bound to the application's own certificate.
///
/// Thread safety: all members may be called from any thread. A call with a cached answer takes no lock.
class MTLSPOP_EXPORT ClientCertificateCredential final : public TokenCredential {
 public:
  /// Reads the certificate; sends nothing.
  /// @throw Error `client_certificate_unusable`, `tenant_required`, `invalid_argument`
  explicit ClientCertificateCredential(ClientCertificateCredentialOptions options);
  /// Ends background work and waits for it.
  ~ClientCertificateCredential() override;

  /// @throw Error with the codes of errors.hpp, first of all `mtls_not_enabled_for_app`,
  /// `resource_does_not_support_bound_tokens`, `binding_rejected`, `token_request_refused`
  AccessToken GetToken(TokenRequest const& request, Context const& context) override;
  std::optional<AccessToken> TryGetToken(TokenRequest const& request) override;
  void GetTokenAsync(TokenRequest const& request, Context const& context, Completion<AccessToken> done) override;
  void ReportRefusal(TokenRequest const& request, AccessToken const& refused, RefusalReason reason) noexcept override;
  std::string_view Name() const noexcept override { return "ClientCertificateCredential"; }

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mtlspop
