#include "mtlspop/azure/token_binding.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "bound_operation.hpp"
#include "bound_token_policy.hpp"
#include "credential_state.hpp"
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

bool AsksForMore(AzureTransportOptions const& options) {
  return options.HttpProxy.HasValue() || options.ProxyUserName.HasValue() || options.ProxyPassword.HasValue() ||
         !options.ExpectedTlsRootCertificate.empty();
}

TransportOptions Translate(AzureTransportOptions const& options) {
  TransportOptions settings;
  if (options.HttpProxy.HasValue()) {
    // An empty one means none at all, neither the environment's.
    settings.Proxy.UseEnvironment = false;
    settings.Proxy.Url = options.HttpProxy.Value();
  } else if (options.ProxyUserName.HasValue() || options.ProxyPassword.HasValue()) {
    Refuse(
        "the client options have credentials for a proxy and name no proxy",
        "Name it in ClientOptions::Transport.HttpProxy too; the environment's proxies take theirs from their URLs, "
        "http://user:password@host:port");
  }
  if (options.ProxyUserName.HasValue()) settings.Proxy.UserName = options.ProxyUserName.Value();
  if (options.ProxyPassword.HasValue()) {
    settings.Proxy.Password = Secret{std::string_view{options.ProxyPassword.Value()}};
  }
  settings.Tls.Trust.CaPem = PemOf(options.ExpectedTlsRootCertificate);
  return settings;
}

std::shared_ptr<Azure::Core::Http::HttpTransport> TransportFor(
    AzureTransportOptions const& options,
    std::shared_ptr<mtlspop::HttpTransport> const& given,
    NetworkLimits const& limits) {
  if (!AsksForMore(options)) {
    return options.Transport ? options.Transport : std::make_shared<HttpTransport>(given, limits);
  }
  if (given || options.Transport) {
    Refuse(
        "both a transport and a proxy or root certificate are given",
        "Set them in the TransportOptions that BoundTokenCredentialOptions::Transport is made from, and leave them out "
        "of the client options; or set them in the client options before the first call of UseTokenBinding");
  }
  return std::make_shared<HttpTransport>(
      MakeHttpTransport(TransportOptionsFromEnvironment(Translate(options))).get(), limits);
}

using Policies = std::vector<std::unique_ptr<Azure::Core::Http::Policies::HttpPolicy>>;

template <typename Policy>
void RemoveAll(Policies& policies) {
  policies.erase(
      std::remove_if(
          policies.begin(), policies.end(),
          [](auto const& policy) { return dynamic_cast<Policy const*>(policy.get()) != nullptr; }),
      policies.end());
}

// What earlier calls with these options have added.
BoundSources SourcesOf(Policies const& policies) {
  BoundSources sources;
  for (auto const& policy : policies) {
    auto const* const ours = dynamic_cast<BoundTokenPolicy const*>(policy.get());
    if (ours != nullptr) AddSources(sources, *ours->Sources());
  }
  return sources;
}

// Lost connections and error statuses are left to Azure's retry policy.
BoundCallOptions CallOptions(
    Azure::Core::Http::Policies::RetryOptions const& retry, BoundTokenCredentialOptions const& from) {
  constexpr int MostRetries = 100;
  BoundCallOptions options;
  options.RetriesFailures = false;
  options.Retry.MaximumRetries = std::clamp(static_cast<int>(retry.MaxRetries), 0, MostRetries);
  options.Retry.InitialDelay = retry.RetryDelay;
  options.Retry.MaximumDelay = retry.MaxRetryDelay;
  options.Retry.Random = from.ManagedIdentity.Random;
  options.Observer = from.Observer;
  return options;
}

}  // namespace

void UseTokenBinding(
    Azure::Core::_internal::ClientOptions& options, std::shared_ptr<BoundTokenCredential> const& credential) {
  if (!credential) Refuse("no credential was given", "Pass a BoundTokenCredential to UseTokenBinding");
  RefuseUnusable(options.Transport);
  auto& state = TokenBindingAccess::StateOf(*credential);
  auto const& from = state.Options;
  AzureTransportOptions transport;
  transport.Transport = TransportFor(options.Transport, from.Transport, from.Limits);

  auto const settings = std::make_shared<BoundCallSettings const>(CallOptions(options.Retry, from), state.Memory);
  BoundSources all{{from.Credential, state.Handles, settings, from.ManagedIdentity.Time, from.RefusesOtherTokens}};
  AddSources(all, SourcesOf(options.PerRetryPolicies));
  auto const sources = std::make_shared<BoundSources const>(std::move(all));
  state.IsInUse = true;
  options.Transport = std::move(transport);
  RemoveAll<BoundOperationPolicy>(options.PerOperationPolicies);
  RemoveAll<BoundTokenPolicy>(options.PerRetryPolicies);
  options.PerOperationPolicies.push_back(std::make_unique<BoundOperationPolicy>(sources));
  options.PerRetryPolicies.push_back(std::make_unique<BoundTokenPolicy>(sources));
}

}  // namespace mtlspop::azure
