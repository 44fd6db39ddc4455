#include "mtlspop/azure/token_binding.hpp"

#include <string>
#include <utility>

#include "bound_token_policy.hpp"
#include "mtlspop/azure/http_transport.hpp"
#include "mtlspop/transport/environment.hpp"

namespace mtlspop::azure {
namespace {

using AzureTransportOptions = Azure::Core::Http::Policies::TransportOptions;

[[noreturn]] void Refuse(std::string what, std::string action) {
  throw Error{{errors::InvalidArgument, std::move(what), std::move(action)}};
}

void RefuseUnusable(AzureTransportOptions const& options) {
  if (options.Transport && std::dynamic_pointer_cast<HttpTransport>(options.Transport) == nullptr) {
    Refuse(
        "the client options name a transport that cannot present a certificate per request",
        "Leave ClientOptions::Transport.Transport empty: UseTokenBinding sets it");
  }
  if (options.DisableTlsCertificateValidation) {
    Refuse(
        "the client options switch certificate validation off",
        "Leave DisableTlsCertificateValidation out: a bound token must not go to a server that nobody vouches for. For "
        "a "
        "test environment give its certificate authority in TrustOptions::CaFile or MTLSPOP_CA_FILE");
  }
  if (options.EnableCertificateRevocationListCheck) {
    Refuse(
        "the client options ask for revocation checks",
        "Give the lists in TrustOptions::CrlFile of the transport in BoundTokenCredentialOptions::Transport instead");
  }
}

std::string PemOf(std::string const& base64Certificate) {
  return base64Certificate.empty()
             ? std::string{}
             : "-----BEGIN CERTIFICATE-----\n" + base64Certificate + "\n-----END CERTIFICATE-----\n";
}

std::shared_ptr<mtlspop::HttpTransport> TransportFor(
    AzureTransportOptions const& options, std::shared_ptr<mtlspop::HttpTransport> const& given) {
  auto const asksForMore = options.HttpProxy.HasValue() || !options.ExpectedTlsRootCertificate.empty();
  if (given && asksForMore) {
    Refuse(
        "both a transport and a proxy or root certificate are given",
        "Set them in the TransportOptions that BoundTokenCredentialOptions::Transport is made from, and leave them out "
        "of "
        "the client options");
  }
  if (given || !asksForMore) return given;
  TransportOptions settings;
  if (options.HttpProxy.HasValue()) settings.Proxy.Url = options.HttpProxy.Value();
  if (options.ProxyUserName.HasValue()) settings.Proxy.UserName = options.ProxyUserName.Value();
  if (options.ProxyPassword.HasValue())
    settings.Proxy.Password = Secret{std::string_view{options.ProxyPassword.Value()}};
  settings.Tls.Trust.CaPem = PemOf(options.ExpectedTlsRootCertificate);
  return MakeHttpTransport(TransportOptionsFromEnvironment(std::move(settings)));
}

}  // namespace

/// What `UseTokenBinding` takes out of a credential.
class TokenBindingAccess final {
 public:
  static BoundTokenCredentialOptions const& OptionsOf(BoundTokenCredential const& credential) noexcept {
    return credential.options_;
  }
  static std::shared_ptr<TokenPairs> const& PairsOf(BoundTokenCredential const& credential) noexcept {
    return credential.pairs_;
  }
};

void UseTokenBinding(
    Azure::Core::_internal::ClientOptions& options, std::shared_ptr<BoundTokenCredential> const& credential) {
  if (!credential) Refuse("no credential was given", "Pass a BoundTokenCredential to UseTokenBinding");
  RefuseUnusable(options.Transport);
  auto const& from = TokenBindingAccess::OptionsOf(*credential);
  AzureTransportOptions transport;
  transport.Transport = options.Transport.Transport;
  if (!transport.Transport) {
    transport.Transport = std::make_shared<HttpTransport>(TransportFor(options.Transport, from.Transport));
  }
  auto settings = std::make_shared<BoundTokenSettings const>(BoundTokenSettings{
      from.Credential, TokenBindingAccess::PairsOf(*credential), options.Retry, from.ManagedIdentity.Time, from.Log});
  options.Transport = std::move(transport);
  options.PerRetryPolicies.push_back(std::make_unique<BoundTokenPolicy>(std::move(settings)));
}

}  // namespace mtlspop::azure
