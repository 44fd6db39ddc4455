#pragma once

/// @file
/// The instance metadata service, version 1 and 2.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "imds_knowledge.hpp"
#include "key_acceptance.hpp"
#include "mtlspop/credential/access_token.hpp"
#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/credential/managed_identity_id.hpp"
#include "service_client.hpp"

namespace mtlspop {

/// What the machine says of itself and of the identity.
struct PlatformMetadata {
  std::string ClientId;
  std::string TenantId;
  /// Compact JSON for the certificate request: `vmId` first, then `vmssId`, an absent one left out.
  std::string CuIdJson;
  std::string AttestationEndpoint;
};

/// What came with a certificate.
struct IssuedCredential {
  /// In DER.
  std::vector<std::uint8_t> Certificate;
  std::string ClientId;
  std::string TenantId;
  /// An https origin, without a trailing slash.
  std::string MtlsEndpoint;
  /// The whole URL of the token endpoint, "" where the service gave none.
  std::string TokenEndpoint;
};

/// What is sent to have a certificate issued.
struct CredentialRequest {
  /// The certificate request, base64.
  Secret Csr;
  /// "" where the key is not attested.
  Secret AttestationToken;
  /// Of the key, for the error.
  KeyStrength Strength = KeyStrength::None;
  /// What the platform metadata said, which the answer must repeat.
  std::string ClientId;
  std::string TenantId;
};

/// Where IMDS is and whose identity is meant.
struct ImdsOptions {
  /// For example "http://169.254.169.254".
  std::string Endpoint;
  ManagedIdentityId Identity;
  /// Who says that it is there, for errors: "the default address", or the name of a variable or an option.
  std::string EndpointSource = "the default address";
  /// For all that has to be done to know which version is there, and whether any is.
  std::chrono::milliseconds DiscoveryTimeout = std::chrono::seconds{10};
};

/// Asks IMDS. Never through a proxy, and follows no redirect: one would replay the certificate request elsewhere.
///
/// Before its first request the service is probed, so that it takes a second at the most to know that nobody is there or
/// that it is version 1. Whoever takes a connection and is slow gets the rest of the time that the options allow. The answer
/// is the process's (imds_knowledge.hpp).
///
/// Thread safety: all members may be called from any thread.
class ImdsClient final {
 public:
  /// @throw Error `invalid_argument` for an endpoint that is no http or https URL
  ImdsClient(ImdsOptions options, ServiceClient client);

  /// Which version answers: from memory, or by a request without the header `Metadata`, which version 2 answers with 400
  /// and version 1 with 404. `Unknown` where IMDS answers something that says neither (429, 5xx, or what `Refusal` says).
  /// @throw Error `imds_not_reachable` where there is no connection within a second; `imds_unavailable` where connections
  /// are lost again and again, or somebody is too slow; `not_imds` where a page for people or no HTTP comes
  ImdsFinding Discover(std::string const& correlationId, Context const& context) const;

  /// What has to be known before anything is done for a certificate, least of all a key made.
  /// @throw Error `mtls_pop_not_supported_in_imds_v1`, `imds_refused`, `not_imds`, and as `Discover`
  void RequireVersion2(std::string const& correlationId, Context const& context) const;

  /// Of version 2; see `RequireVersion2`.
  /// @throw Error `mtls_pop_not_supported_in_imds_v1`, `imds_not_reachable`, `not_imds`, `imds_response_malformed`,
  /// `imds_refused`, `imds_unavailable`
  PlatformMetadata GetPlatformMetadata(std::string const& correlationId, Context const& context) const;
  /// @throw Error the same, and `mtls_pop_requires_keyguard`
  IssuedCredential IssueCredential(
      CredentialRequest const& credential, std::string const& correlationId, Context const& context) const;
  /// A bearer token of version 1 for a scope or resource.
  /// @throw Error `imds_not_reachable`, `imds_response_malformed`, `imds_refused`, `imds_unavailable`
  AccessToken GetBearerToken(std::string_view scope, std::string const& correlationId, Context const& context) const;

  /// What this process has learned of the service.
  ImdsKnowledge const& Knowledge() const noexcept { return *knowledge_; }
  /// And of the keys that it takes.
  KeyAcceptance const& AcceptedKeys() const noexcept { return *acceptedKeys_; }

 private:
  enum class Version { V1, V2 };

  ServiceRequest MakeRequest(
      char const* name,
      std::string method,
      std::string_view path,
      Version version,
      std::string const& correlationId) const;
  /// `request` with the name by which this version calls the identity's id.
  ServiceRequest Select(ServiceRequest request, std::string_view parameter) const;
  /// A request of version 2. Where the service does not know the name of the resource id, the other name is tried once.
  ServiceResponse SendVersion2(ServiceRequest const& request, Context const& context) const;
  ServiceResponse Send(ServiceRequest const& request, RetryRule const& rule, Context const& context) const;
  ServiceRequest ProbeRequest(std::string const& correlationId) const;
  ImdsFinding Probe(std::string const& correlationId, bool& isSomebodyThere, Context const& context) const;
  ImdsFinding ReadProbe(ServiceRequest const& request, ServiceResponse const& response) const;
  [[noreturn]] void ThrowVersion1(ServiceRequest const& request, ServiceResponse const& response) const;
  /// "http://169.254.169.254:80 (the default address)".
  std::string Place() const;

  ImdsOptions options_;
  Url base_;
  ServiceClient client_;
  std::shared_ptr<ImdsKnowledge> knowledge_;
  std::shared_ptr<KeyAcceptance> acceptedKeys_;
};

}  // namespace mtlspop
